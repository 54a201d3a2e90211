# shellcheck shell=bash disable=SC2034,SC2154 # they share their variables
# SPDX-License-Identifier: Apache-2.0
# The compilers and libraries of the Debian releases that people have, in roots made by debootstrap.
# Kept in the cache: the root with its packages, never anything of ours.
debian_suites=(bookworm trixie)
debian_cache=${SOCKEYE_CACHE:-/var/cache/sockeye-dev}
debian_root_days=7

# The mirror of this machine's own apt sources, whatever their syntax.
debian_mirror() {
    local codename mirrors
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    mirrors=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Codename: $codename" 'Component: main')
    [ -n "$mirrors" ] || fail "apt-get indextargets knows no Debian archive of '$codename': see /etc/apt/sources.list.d, then apt-get update"
    head -n 1 <<<"$mirrors"
}

# is_fresh STAMP KEY: made of what KEY says, and not long ago.
is_fresh() {
    [ "$(cat "$1" 2>/dev/null)" = "$2" ] && [ -n "$(find "$1" -mtime "-$debian_root_days")" ]
}

# debian_base SUITE: the least that is a Debian, in base.SUITE; left as it is when it is fresh.
debian_base() {
    local suite=$1 base=$debian_cache/base.$1 mirror
    mirror=$(debian_mirror)
    if is_fresh "$base.made" "$suite $mirror"; then
        return
    fi
    say "$suite: a root from $mirror"
    # Mounts of a root are in mount namespaces of their own; should one be here, it is spared.
    rm -rf --one-file-system "$base" "$base.made"
    mkdir -p "$base"
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$base" "$mirror" >"$work/debootstrap" ||
        fail "debootstrap $suite from $mirror: $(tail -n 3 "$work/debootstrap")"
    debian_apt_settings >"$base/etc/apt/apt.conf.d/90host"
    within "$base" apt-get -q update
    echo "$suite $mirror" >"$base.made"
}

# debian_root SUITE: that with what builds and tests, in root.SUITE.
debian_root() {
    local suite=$1 root=$debian_cache/root.$1 key
    key="$suite $(debian_mirror) ${build_packages[*]} ${unit_packages[*]}"
    if is_fresh "$root.made" "$key"; then
        return
    fi
    debian_base "$suite"
    rm -rf --one-file-system "$root" "$root.made"
    cp -a "$debian_cache/base.$suite" "$root"
    within "$root" env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends \
        "${build_packages[@]}" "${unit_packages[@]}" >"$work/install" ||
        fail "apt-get in $root: $(tail -n 3 "$work/install")"
    echo "$key" >"$root.made"
}

# Proxies as here; an archive of the past is out of date by its nature.
debian_apt_settings() {
    apt-config dump | grep -E '^Acquire::(https?|Retries)\b' || true
    echo 'Acquire::Check-Valid-Until "false";'
}

# within ROOT COMMAND...: nothing of it stays mounted, no process of it stays behind.
within() {
    local root=$1
    shift
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    unshare --mount --propagation private --pid --fork --kill-child sh -ec '
        root=$1 && shift
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --rbind /dev "$root/dev"
        exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' sh "$root" "$@"
}

# debian_tests SUITE: the preset dev stops at warnings by itself, release is told to.
debian_tests() {
    local root=$debian_cache/root.$1
    say "$1: unit tests, release without a warning"
    clean_clone "$root/root/sockeye"
    within "$root" sh -ec 'cd /root/sockeye
        packaging/dev test check unit
        cmake --preset release -DEYE_WERROR=ON >/dev/null
        cmake --build build/release'
    rm -rf "$root/root/sockeye"
}
