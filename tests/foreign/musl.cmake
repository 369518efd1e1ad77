# musl.cmake - a build for musl on Debian, which has that C library but no other one built for
# it: included right after project(), for the compiler musl-gcc (./dev musl).
#
# musl-gcc looks for headers in musl's folder alone: the kernel's and those of the libraries
# come from a folder of links. The libraries are Debian's static ones, made for glibc: what
# they call lies the same way in musl, or is in glibc_names.c. Good for tests, not to ship.
set(headers ${CMAKE_BINARY_DIR}/headers)
file(MAKE_DIRECTORY ${headers})
execute_process(COMMAND ${CMAKE_C_COMPILER} -dumpmachine OUTPUT_VARIABLE triplet
                OUTPUT_STRIP_TRAILING_WHITESPACE)
file(GLOB wanted /usr/include/linux /usr/include/asm-generic /usr/include/${triplet}/asm
     /usr/include/check*.h /usr/include/msgpack* /usr/include/sodium* /usr/include/hiredis)
foreach(file IN LISTS wanted)
  get_filename_component(name ${file} NAME)
  file(CREATE_LINK ${file} ${headers}/${name} SYMBOLIC)
endforeach()
include_directories(SYSTEM ${headers})

set(IPK_FOREIGN_LIBRARIES /usr/lib/${triplet})
include(${CMAKE_CURRENT_LIST_DIR}/static.cmake)
set(names ${CMAKE_BINARY_DIR}/glibc_names.o)
execute_process(COMMAND ${CMAKE_C_COMPILER} -std=c11 -D_GNU_SOURCE -O1 -fPIC
                -c ${CMAKE_CURRENT_LIST_DIR}/glibc_names.c -o ${names}
                COMMAND_ERROR_IS_FATAL ANY)
set(CMAKE_C_STANDARD_LIBRARIES ${names})
