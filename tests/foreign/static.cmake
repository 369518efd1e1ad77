# static.cmake - included right after project() by the presets for other C libraries and
# processors: the libraries that the build asks pkg-config for are the static ones in
# IPK_FOREIGN_LIBRARIES and no others, so that what was built runs on this machine.
set(folder ${CMAKE_BINARY_DIR}/libraries)
file(MAKE_DIRECTORY ${folder})
function(provide module)
  set(flags)
  foreach(name IN LISTS ARGN)
    file(CREATE_LINK ${IPK_FOREIGN_LIBRARIES}/lib${name}.a ${folder}/lib${name}.a SYMBOLIC)
    string(APPEND flags " -l${name}")
  endforeach()
  file(WRITE ${folder}/${module}.pc
       "Name: ${module}\nDescription: static\nVersion: 0\nLibs: -L${folder}${flags} -lm\nCflags:\n")
endfunction()
provide(msgpack msgpackc)
provide(libsodium sodium)
provide(hiredis hiredis)
provide(check check_pic subunit)
set(ENV{PKG_CONFIG_LIBDIR} ${folder})
