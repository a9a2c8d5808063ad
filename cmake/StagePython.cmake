# cmake -DSOURCE=… -DDESTINATION=… -P StagePython.cmake: makes DESTINATION hold SOURCE's Python files, and none that
# SOURCE no longer has: a deleted module that still imports hides a mistake. What isn't changed isn't touched.
cmake_minimum_required(VERSION 3.25)

set(patterns *.py *.pyi py.typed)

set(wanted "")
foreach(pattern IN LISTS patterns)
    file(GLOB_RECURSE found RELATIVE ${SOURCE} ${SOURCE}/${pattern})
    list(APPEND wanted ${found})
endforeach()

foreach(pattern IN LISTS patterns)
    file(GLOB_RECURSE staged RELATIVE ${DESTINATION} ${DESTINATION}/${pattern})
    foreach(file IN LISTS staged)
        if(NOT file IN_LIST wanted)
            file(REMOVE ${DESTINATION}/${file})
        endif()
    endforeach()
endforeach()

foreach(file IN LISTS wanted)
    get_filename_component(folder ${DESTINATION}/${file} DIRECTORY)
    file(MAKE_DIRECTORY ${folder})
    file(COPY_FILE ${SOURCE}/${file} ${DESTINATION}/${file} ONLY_IF_DIFFERENT)
endforeach()
