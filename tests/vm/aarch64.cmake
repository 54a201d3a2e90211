# SPDX-License-Identifier: Apache-2.0
# Cross build for arm64 against unpacked -dev packages: cmake -DEYE_SYSROOT=FOLDER
# -DCMAKE_TOOLCHAIN_FILE=tests/vm/aarch64.cmake. Programs of the build (clang, bpftool, protoc-c)
# are the host's.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES EYE_SYSROOT)
set(CMAKE_SYSROOT ${EYE_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_LIBDIR} ${EYE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${EYE_SYSROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${EYE_SYSROOT})
