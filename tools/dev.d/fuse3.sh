# libfuse with FUSE over io_uring, which few systems package. 3.18 has it, but needs a patch before
# any thread may answer a request (subprojects/packagefiles), so a system's own counts from 3.19 on.
# meson builds it from subprojects/fuse3.wrap; this brings the release tarball the wrap names, from
# upstream or, where only a Debian mirror can be reached, from Debian's unstable suite.
# Only sourced by tools/dev.

WRAP=$ROOT/subprojects/fuse3.wrap

wrap_value() { sed -n "s/^$1 *= *//p" "$WRAP"; }

has_hash() { # FILE
  [ -f "$1" ] && printf '%s  %s\n' "$(wrap_value source_hash)" "$1" | sha256sum --check --status
}

need_fuse3() {
  pkg-config --atleast-version=3.19 fuse3 2>/dev/null && return
  forget_old_patches
  local cache=$ROOT/subprojects/packagecache tarball scratch
  tarball=$cache/$(wrap_value source_filename)
  has_hash "$tarball" && return
  mkdir -p "$cache"
  scratch=$(mktemp -d)
  say "fetching $(wrap_value directory), because the system's libfuse is older than 3.19"
  if fetch_fuse3_upstream "$scratch" || fetch_fuse3_debian "$scratch"; then
    mv "$scratch/tarball" "$tarball"
    rm -rf "$scratch"
    return
  fi
  rm -rf "$scratch"
  die "no $(wrap_value directory) can be had: neither upstream's release nor Debian unstable's" \
    "source package can be reached; put the tarball at subprojects/packagecache/${tarball##*/}."
}

# meson patches what it extracts, once.
forget_old_patches() {
  local tree patch
  patch=$ROOT/subprojects/packagefiles/$(wrap_value diff_files)
  tree=$ROOT/subprojects/$(wrap_value directory)
  if [ -d "$tree" ] && [ "$patch" -nt "$tree/lib/fuse_uring.c" ]; then
    rm -rf "$tree"
  fi
}

fetch_fuse3_upstream() { # SCRATCH; leaves SCRATCH/tarball
  curl -fsSL --connect-timeout 10 --max-time 120 -o "$1/tarball" "$(wrap_value source_url)" \
    2>/dev/null && has_hash "$1/tarball"
}

# The archives this machine already uses, whatever format its sources are written in: apt itself
# is asked. Security and other archives have no unstable suite and are simply of no use.
debian_archives() {
  apt-get update --print-uris 2>/dev/null |
    sed -n "s|^'\(.*\)/dists/[^']*/InRelease'.*|\1|p" | grep '/debian$' | sort -u
}

# A source package from a suite the system does not list: apt with a private configuration. The
# system's own configuration is still read, so its proxies and trusted keys apply.
fetch_fuse3_debian() { # SCRATCH; leaves SCRATCH/tarball
  local scratch=$1 archive suite file keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  local signed=""
  command -v apt-get >/dev/null || return 1
  [ -f "$keyring" ] && signed="[signed-by=$keyring] "
  file=$(wrap_value source_filename)
  local apt=(
    apt-get -q
    -o "Dir::Etc::sourcelist=$scratch/sources.list"
    -o "Dir::Etc::sourceparts=$scratch/none"
    -o "Dir::State::lists=$scratch/lists"
    -o "Dir::Cache=$scratch/cache"
    -o APT::Sandbox::User=
    -o Acquire::Retries=2
    -o Acquire::http::Timeout=30
  )
  mkdir -p "$scratch"/{none,lists/partial,cache/archives/partial}
  for archive in $(debian_archives); do
    for suite in unstable testing; do
      printf 'deb-src %s%s %s main\n' "$signed" "$archive" "$suite" >"$scratch/sources.list"
      "${apt[@]}" update >"$scratch/log" 2>&1 || continue
      (cd "$scratch" && "${apt[@]}" source --download-only --tar-only fuse3) \
        >>"$scratch/log" 2>&1 || continue
      if has_hash "$scratch/$file"; then
        mv "$scratch/$file" "$scratch/tarball"
        return 0
      fi
    done
  done
  return 1
}
