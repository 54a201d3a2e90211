# shellcheck shell=bash disable=SC2034,SC2154 # they share their variables
# SPDX-License-Identifier: Apache-2.0
# The static binary: what it links is in Debian's development packages, libcurl excepted. Debian's
# archive of it needs Kerberos, SASL and more that exist as shared objects only, so a small one is
# built from Debian's source package and kept in the cache, by version and options.
curl_days=7
# Authorities are looked for where it runs (exporters/http/authorities.h). The threaded resolver is
# what lets a query for a name be given up.
curl_options=(
    --disable-shared --with-gnutls --without-ca-bundle --without-ca-path --enable-threaded-resolver
    --disable-{ldap,ldaps,ftp,file,dict,telnet,tftp,rtsp,pop3,imap,smb,smtp,gopher,mqtt}
    --disable-{ntlm,tls-srp,manual,netrc,alt-svc,hsts,dependency-tracking}
    --without-{librtmp,libssh2,libpsl,libidn2,nghttp2,zlib,brotli,zstd}
)
curl_flags="-O2 -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong -fstack-clash-protection"

# The host's Debian archives as sources, in a list of its own: the host's are left as they are.
# What else it has (backports, other archives) may have another curl, or no sources at all.
source_list() {
    local codename
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    apt-get indextargets --format 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) main' \
        'Created-By: Packages' 'Origin: Debian' 'Component: main' |
        awk -v name="$codename" '$4 == name || $4 == name "-updates" || $4 == name "-security"'
}

# source_apt PROGRAM WORDS...: apt-get or apt-cache with that list, and lists in the cache.
source_apt() {
    local program=$1 folder=$debian_cache/apt
    shift
    "$program" -q -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder" -o APT::Sandbox::User= "$@"
}

# Prints the newest version of curl's source package.
newest_curl() {
    local folder=$debian_cache/apt list
    list=$(source_list)
    [ -n "$list" ] || fail "apt-get indextargets knows no Debian archive: see /etc/apt/sources.list.d, then apt-get update"
    mkdir -p "$folder/lists/partial" "$folder/archives/partial"
    echo "$list" >"$folder/sources.list"
    source_apt apt-get update >"$folder/log" 2>&1 ||
        fail "apt-get update of the sources: $(tail -n 3 "$folder/log")"
    source_apt apt-cache showsrc --only-source curl | sed -n 's/^Version: //p' | sort -V | tail -n 1
}

# Prints the archive, having built it when it is not there. Which version is the newest is asked once
# in a while, as the roots of other Debians are made.
small_curl() (
    made=$debian_cache/libcurl.made
    key="$(. /etc/os-release && echo "${VERSION_CODENAME:-}") ${curl_options[*]} $curl_flags"
    mkdir -p "$debian_cache"
    exec 8>"$debian_cache/libcurl.lock"
    flock 8
    if [ "$(sed 1d "$made" 2>/dev/null)" != "$key" ] || [ ! -e "$(head -n 1 "$made")" ] ||
        [ -z "$(find "$made" -mtime "-$curl_days")" ]; then
        version=$(newest_curl)
        [ -n "$version" ] || fail "the sources of $debian_cache/apt/sources.list have no curl"
        archive=$debian_cache/libcurl-$version-$(sha256sum <<<"$key" | head -c 12).a
        [ -e "$archive" ] || build_curl "$version" "$archive"
        printf '%s\n%s\n' "$archive" "$key" >"$made"
    fi
    head -n 1 "$made"
)

# build_curl VERSION ARCHIVE: it is there when it is whole.
build_curl() {
    local version=$1 archive=$2 work
    say "libcurl $version, small"
    work=$(mktemp -d "$debian_cache/libcurl.XXXXXX")
    if ! make_curl "$version" "$work" >"$work/log" 2>&1; then
        tail -n 40 "$work/log" >&2
        rm -rf "$work"
        fail "libcurl $version does not build: see above"
    fi
    mv "$work"/curl-*/lib/.libs/libcurl.a "$archive"
    rm -rf "$work"
}

# make_curl VERSION WORK: the library alone, without its program.
make_curl() (
    cd "$2" && source_apt apt-get source --only-source "curl=$1" && cd curl-*/ || return
    ./configure CFLAGS="$curl_flags -ffile-prefix-map=$2=" "${curl_options[@]}" &&
        make -j"$(nproc)" -C lib
)

# Leaves build/static/sockeye.
build_static() {
    local curl
    need "${build_packages[@]}" "${static_packages[@]}"
    curl=$(small_curl)
    build_in static static "-DEYE_STATIC_CURL=$curl" sockeye
    strip -R .comment -o build/static/sockeye build/static/collector/sockeye
}
