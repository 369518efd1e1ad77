# glibc231.cmake - the toolchain of ./dev glibc231: this machine's compiler with the headers and
# libraries of Debian 11, as that verb unpacks them into build/glibc231-root. What comes out
# runs on this machine too, whose glibc is newer.
set(CMAKE_C_COMPILER gcc)
get_filename_component(CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../../build/glibc231-root ABSOLUTE)
set(IPK_FOREIGN_LIBRARIES ${CMAKE_SYSROOT}/usr/lib/x86_64-linux-gnu)
