# shellcheck shell=bash disable=SC2034,SC2154 # they share their variables
# SPDX-License-Identifier: Apache-2.0
# Building, and what a build leaves in a clone.

# build PRESET [TARGET]...
build() {
    local preset=$1
    shift
    build_in "$preset" "$preset" "" "$@"
}

# build_in FOLDER PRESET SETTING [TARGET]...: below build/, with one setting of the preset changed;
# one at a time in one clone.
build_in() {
    local folder=build/$1 preset=$2 setting=$3 log
    shift 3
    say "building ${folder#build/}"
    log=$(mktemp)
    mkdir -p build
    if ! {
        flock 8 && cmake --preset "$preset" -B "$folder" ${setting:+"$setting"} &&
            cmake --build "$folder" ${1:+--target "$@"}
    } >"$log" 2>&1 8>build/.lock; then
        tail -n 60 "$log" >&2
        rm -f "$log"
        fail "the preset $preset does not build in $folder: see above"
    fi
    rm -f "$log"
}

build_release() {
    need "${build_packages[@]}"
    build release sockeye
    strip -o build/release/sockeye build/release/collector/sockeye
}

# Root built here: the clone's owner must be able to build again.
hand_back() {
    if is_root && [ -d build ] && [ "$(stat -c %u .)" -ne 0 ]; then
        chown -hR "$(stat -c %u:%g .)" build
    fi
}

# The environment that live tests and the daemon need and that a minimal host may lack.
prepare_host() {
    mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || true
}

# What git says must not depend on who asks (it refuses root the clones of others) nor on what he
# has configured, and asking must not write. use_git_as_it_is FILE: for a configuration of its own.
use_git_as_it_is() {
    printf '[safe]\n\tdirectory = *\n' >"$1"
    export GIT_CONFIG_GLOBAL=$1 GIT_OPTIONAL_LOCKS=0
}

# clean_clone FOLDER: a clone of the commit at hand with what is changed in tracked files.
clean_clone() {
    local commit
    commit=$(git rev-parse --verify HEAD) ||
        fail "$PWD is no clone of the repository: git says why; a clean clone cannot be made of it"
    rm -rf "$1"
    mkdir -p "$(dirname "$1")"
    git clone --quiet --no-hardlinks --no-checkout . "$1"
    git -C "$1" checkout --quiet --detach "$commit"
    git diff --binary --no-ext-diff --no-color HEAD | git -C "$1" apply --allow-empty
}
