# shellcheck shell=bash disable=SC2034,SC2154 # they share their variables
# SPDX-License-Identifier: Apache-2.0
# Packages: the same bytes from the same sources, whoever builds them, when, and in which folder.
packages_folder=build/packages

# package: leaves them in build/packages.
package() {
    need "${build_packages[@]}" "${pack_packages[@]}"
    # What stands in files as their time: that of the version.
    SOURCE_DATE_EPOCH=$(date -d "$(dpkg-parsechangelog -l packaging/debian/changelog -S Date)" +%s)
    export SOURCE_DATE_EPOCH
    # Folders would have the modes that the caller's files have.
    umask 022
    build_static
    # Apart, and (as the preset static) past caches of compilers, which may write paths of their own
    # into what they keep.
    build_in package release -DCMAKE_C_COMPILER_LAUNCHER=
    say "packing ${packages_folder}"
    rm -rf "$packages_folder"
    local kind
    for kind in DEB RPM; do
        pack "$kind"
    done
    pack_archive
    # Of CPack's own.
    rm -rf "$packages_folder/_CPack_Packages"
}

# pack GENERATOR: what CPack says is of interest only when it fails.
pack() {
    local log
    log=$(mktemp)
    if ! cpack --config build/package/CPackConfig.cmake -G "$1" -B "$packages_folder" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "CPack makes no $1: see above"
    fi
    rm -f "$log"
}

# What is unpacked in the root folder. Not by CPack, whose archives have the builder's owners, and the
# system's own folders: where those are links (/usr/sbin), tar would put a folder in their place.
pack_archive() {
    local stage component version
    stage=$(mktemp -d)
    for component in Unspecified others; do
        DESTDIR=$stage cmake --install build/package --prefix /usr --component "$component" >/dev/null
    done
    version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' build/package/CMakeCache.txt)
    (cd "$stage" && find . \( -type f -o -path '*/sockeye*' \) -printf '%P\n' | LC_ALL=C sort |
        tar -c --no-recursion --files-from=- --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner) |
        gzip -9n >"$packages_folder/sockeye-$version-$(uname -m).tar.gz"
    rm -rf "$stage"
}

# package_elsewhere: builds them again in another folder, as somebody with other habits; the same bytes.
package_elsewhere() {
    local clone=build/elsewhere/deeper file
    clean_clone "$clone"
    (umask 077 && cd "$clone" && TZ=Asia/Tokyo LC_ALL=C packaging/dev package >/dev/null)
    for file in "$packages_folder"/*; do
        cmp "$file" "$clone/$file"
        say "the same bytes twice: $(sha256sum "$file")"
    done
    rm -rf build/elsewhere
}
