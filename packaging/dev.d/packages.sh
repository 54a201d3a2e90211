# shellcheck shell=bash disable=SC2034,SC2154 # they share their variables
# SPDX-License-Identifier: Apache-2.0
# Debian packages by what needs them. No version of a tool is named: the lists are for 12 and 13.
build_packages=(
    build-essential cmake ninja-build pkg-config clang llvm bpftool
    libbpf-dev libelf-dev zlib1g-dev libyaml-dev libjansson-dev libmicrohttpd-dev libxxhash-dev
    libgnutls28-dev libcurl4-openssl-dev libprotobuf-c-dev protobuf-c-compiler libsnappy-dev libzstd-dev
    libncurses-dev libpcap-dev libzydis-dev
)
# Archives that those leave out, and tools for a source package: the static binary.
static_packages=(libunistring-dev libidn2-dev libtasn1-6-dev nettle-dev libgmp-dev libp11-kit-dev dpkg-dev)
# Packs what was built.
pack_packages=(rpm)
# Builds the tests, and runs those that need no kernel.
unit_packages=(
    git libcmocka-dev python3 python3-prometheus-client python3-jsonschema prometheus openssl libfaketime
    tinyproxy-bin
)
reference_packages=(protobuf-compiler nodejs npm tshark)
live_packages=(
    iproute2 nftables nginx-light apache2-bin haproxy wrk curl valgrind libcap2-bin util-linux
    procps iperf3 graphite-carbon prometheus-pushgateway nodejs npm protobuf-compiler tmux
    dnsmasq-base nghttp2-client nghttp2-server python3-grpcio python3-h2 redis-server
    postgresql pgbouncer python3-pg8000 mariadb-server python3-pymysql tcpdump
    librdkafka1 python3-confluent-kafka python3-kafka wget golang-go libssl-dev android-libboringssl-dev
)
style_packages=(clang-format clang-tidy)
fuzz_packages=(libclang-rt-dev)
vm_packages=(gcc-aarch64-linux-gnu kmod iproute2 nftables)
debian_packages=(debootstrap)
package_packages=(
    debootstrap lintian rpmlint man-db mandoc bash-completion zsh fish python3-pexpect python3-yaml iproute2 util-linux
    buildah nodejs npm
)
systemd_packages=(debootstrap iproute2)
# What `packaging/dev test` installs.
test_packages=("${unit_packages[@]}" "${reference_packages[@]}" "${live_packages[@]}")

say() {
    if [ -t 2 ]; then
        printf '\033[1m==> %s\033[0m\n' "$*" >&2
    else
        printf '==> %s\n' "$*" >&2
    fi
}

# fail WORDS...: what failed, on what, and what to do.
fail() {
    printf 'packaging/dev: %s\n' "$*" >&2
    exit 1
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

is_installed() {
    # Other builds of node bring npm with them.
    if [ "$1" = npm ] && command -v npm >/dev/null; then
        return
    fi
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# need PACKAGE...: installs those that are missing; nothing of them starts, now or at a boot.
need() {
    local package log missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    is_root || fail "missing packages: ${missing[*]}; as root this installs them, and nothing of them starts"
    say "installing ${missing[*]}"
    log=$(mktemp)
    if ! install_idle "${missing[@]}" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get cannot install ${missing[*]}: see above"
    fi
    rm -f "$log"
}

# install_idle PACKAGE...: tests start what they need themselves, so what the packages (and what
# they depend on) enabled is disabled again. What was enabled before stays.
install_idle() {
    local packages links
    packages=$(installed_packages)
    links=$(boot_links)
    install_stopped "$@" || return
    disable_new_links "$packages" "$links"
}

# invoke-rc.d(8): exit code 101 of policy-rc.d forbids every start.
install_stopped() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    apt-get -q update &&
        DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$@"
)

installed_packages() {
    dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed //p' | sort
}

# The links by which systemd and init start things at a boot.
boot_links() {
    { find /etc/systemd/system /etc/rc[2-5].d -type l 2>/dev/null || true; } | sort
}

# disable_new_links PACKAGES LINKS: those were installed and there before.
disable_new_links() {
    local new brought link unit
    new=$(comm -13 <(echo "$1") <(installed_packages))
    [ -n "$new" ] || return 0
    # shellcheck disable=SC2086 # words of it are meant
    brought=$(dpkg-query -L $new | sed -nE 's,^(/usr)?/lib/systemd/system/,,p; s,^/etc/init\.d/,,p' | sort -u)
    comm -13 <(echo "$2") <(boot_links) | while read -r link; do
        unit=$(basename "$(readlink "$link")")
        if grep -qxF -- "$unit" <<<"$brought"; then
            disable_link "$link" "$unit"
        fi
    done
}

# disable_link LINK UNIT: with Debian's own tools, which remember it over upgrades and need no
# systemd that runs; disabling a unit may have taken the link with another one of it.
disable_link() {
    [ -L "$1" ] || return 0
    case "$1" in
    /etc/rc?.d/K*) ;;
    /etc/rc?.d/*) update-rc.d "$2" disable ;;
    *)
        deb-systemd-helper disable "$2"
        rm -f "$1"
        ;;
    esac
}
