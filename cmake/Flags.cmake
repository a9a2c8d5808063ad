# What every target of ours is compiled with. An interface target rather than global flags, so that GoogleTest built
# from source is not held to our warnings.
add_library(interpchannels_flags INTERFACE)

target_compile_options(interpchannels_flags INTERFACE
    -Wall
    -Wextra
    -Wshadow
    -Wnon-virtual-dtor
    -Werror=return-type  # running off the end of a function is undefined behaviour, not style
)
if(INTERPCHANNELS_WERROR)
    target_compile_options(interpchannels_flags INTERFACE -Werror)
endif()

if(INTERPCHANNELS_SANITIZE)
    # Global, and not in the interface target: a test binary that mixes instrumented and plain code (GoogleTest built
    # from source, say) makes TSan report what isn't there.
    add_compile_options(-fsanitize=${INTERPCHANNELS_SANITIZE} -fno-omit-frame-pointer -g)
    add_link_options(-fsanitize=${INTERPCHANNELS_SANITIZE})
    if(INTERPCHANNELS_SANITIZE MATCHES "undefined")
        # A finding has to fail the run. Otherwise UBSan prints a line and the tests stay green.
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()

if(INTERPCHANNELS_LTO)
    include(CheckIPOSupported)
    check_ipo_supported(RESULT lto_works OUTPUT lto_output LANGUAGES CXX)
    if(lto_works)
        set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    else()
        message(STATUS "No link-time optimisation with this compiler: ${lto_output}")
    endif()
endif()
