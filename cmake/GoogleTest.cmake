# GTest::gtest_main, from the nearest place: an installed package, the sources that Linux distributions ship, or a
# download. Nothing is fetched where the system has it.
find_package(GTest QUIET)
if(NOT TARGET GTest::gtest_main)
    include(FetchContent)
    set(INSTALL_GTEST OFF)
    set(BUILD_GMOCK OFF)
    if(EXISTS /usr/src/googletest/CMakeLists.txt)
        FetchContent_Declare(googletest SOURCE_DIR /usr/src/googletest)
    else()
        FetchContent_Declare(googletest
            URL https://github.com/google/googletest/releases/download/v1.17.0/googletest-1.17.0.tar.gz
            URL_HASH SHA256=65fab701d9829d38cb77c14acdc431d2108bfdbf8979e40eb8ae567edf10b27c
            DOWNLOAD_EXTRACT_TIMESTAMP ON
            TIMEOUT 120
            INACTIVITY_TIMEOUT 30)
    endif()
    FetchContent_MakeAvailable(googletest)
    if(NOT TARGET GTest::gtest_main)
        add_library(GTest::gtest_main ALIAS gtest_main)
    endif()
endif()
