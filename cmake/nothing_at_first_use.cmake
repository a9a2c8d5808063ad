# Fails where an object file of LIBRARY guards a static object that is made at first use (a "function-local static" whose
# initializer is no constant). Another thread may be inside the initializer when the process forks; in the child it is
# then never done, and whoever asks for the object waits for ever.
execute_process(COMMAND ${NM} -A ${LIBRARY} OUTPUT_VARIABLE symbols ERROR_QUIET RESULT_VARIABLE status)
if(NOT status EQUAL 0 OR NOT symbols MATCHES "fork_handlers_registered")
    message(FATAL_ERROR "${NM} does not list the symbols of ${LIBRARY}")
endif()
string(REGEX MATCHALL "[^\n]*__cxa_guard_acquire" guarded "${symbols}")
if(guarded)
    list(JOIN guarded "\n" guarded)
    message(FATAL_ERROR "made at first use, where a fork can fall into it; make it when the library is loaded:\n${guarded}")
endif()
