# arm64.cmake - the toolchain of ./dev arm64: Debian's cross compiler, with the libraries of its
# arm64 packages as that verb unpacks them into build/arm64-root, and qemu-user to run what was
# built.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
get_filename_component(root ${CMAKE_CURRENT_LIST_DIR}/../../build/arm64-root ABSOLUTE)
set(IPK_FOREIGN_LIBRARIES ${root}/usr/lib/aarch64-linux-gnu)
include_directories(SYSTEM ${root}/usr/include)
