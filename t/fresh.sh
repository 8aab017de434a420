#!/usr/bin/env bash
# Proves both commands of README.md in a bare Debian 12: a chroot made by debootstrap, with nothing
# in it but this checkout and what lets the host reach its mirror (apt's mirror and proxy, the CA
# certificates, the proxy variables).  Of the tests it runs the scripts: unit programs, which it builds, start
# nothing.  Then both commands once more, with a few tests: nothing may be left to install.
#   t/fresh.sh [--worktree]    HEAD, or the files as they lie here
# Needs root, debootstrap and git.  Keeps the chroot when FRESH_KEEP=1.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

die() {
  printf 'fresh: %s\n' "$*" >&2
  exit 1
}
say() { printf '\n#### fresh: %s\n' "$*"; }

[ "$(id -u)" -eq 0 ] || die "needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null || die "debootstrap is missing: ./quickstart.sh packages fresh"
case ${1:-} in
--worktree) from=worktree ;;
"") from=HEAD ;;
*) die "usage: t/fresh.sh [--worktree]" ;;
esac

# apt's own sources for bookworm, as one-line entries: "URI SUITE COMPONENTS"
# shellcheck disable=SC2016  # apt's variables
sources() {
  apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 ~ /^bookworm/ { k = $1 " " $2; if (!((k, $3) in seen)) { seen[k, $3]; c[k] = c[k] " " $3 } }
      END { for (k in c) print k c[k] }' | sort
}
mapfile -t apt_sources < <(sources)
mirror=$(printf '%s\n' "${apt_sources[@]}" | awk '$2 == "bookworm" { print $1; exit }')
[ -n "$mirror" ] || die "apt's configuration names no mirror of bookworm"

root=$(mktemp -d /var/tmp/varve-fresh.XXXXXX)
mounted=()

# The server that quickstart.sh leaves running.
stop_server() {
  local pid=$root/varve/build/varved.pid i
  [ -e "$pid" ] || return 0
  kill "$(cat "$pid")" 2>/dev/null || return 0
  for ((i = 0; i < 300; i++)); do
    kill -0 "$(cat "$pid")" 2>/dev/null || return 0
    sleep 0.1
  done
}

cleanup() {
  local rc=$? i
  stop_server
  for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do
    umount "${mounted[i]}" 2>/dev/null || umount -l "${mounted[i]}" || true
  done
  if [ "${FRESH_KEEP:-}" = 1 ]; then
    echo "fresh: kept $root"
  elif grep -qF " $root/" /proc/self/mounts; then
    echo "fresh: $root still has mounts, left alone" >&2
  else
    rm -rf --one-file-system "$root"
  fi
  exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

bind() {
  mkdir -p "$root/$1"
  mount --bind "/$1" "$root/$1"
  mounted+=("$root/$1")
}

inside() {
  local env=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    LANG=C.UTF-8 TERM=dumb) v
  for v in http_proxy https_proxy ftp_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY \
    VARVE_REQUIRE_PEERS; do
    [ -z "${!v:-}" ] || env+=("$v=${!v}")
  done
  chroot "$root" /usr/bin/env -i "${env[@]}" "$@" </dev/null
}

say "debootstrap bookworm in $root"
start=$SECONDS
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror" \
  >"$root.log" 2>&1 || {
  tail -n 20 "$root.log"
  rm -f "$root.log"
  die "debootstrap failed"
}
rm -f "$root.log"
echo "done, $((SECONDS - start)) s"

# ---- what the host knows of the way to the mirror
printf 'deb %s\n' "${apt_sources[@]}" >"$root/etc/apt/sources.list"
apt-config dump | grep -iE '^Acquire::[a-z]+::(proxy|cainfo)' \
  >"$root/etc/apt/apt.conf.d/90host" || rm -f "$root/etc/apt/apt.conf.d/90host"
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp -L /etc/hosts "$root/etc/hosts"
if [ -d /usr/local/share/ca-certificates ]; then
  mkdir -p "$root/usr/local/share/ca-certificates"
  cp -RL /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
fi
inside update-ca-certificates >/dev/null 2>&1

# ---- a clean checkout
mkdir "$root/varve"
if [ $from = HEAD ]; then
  git archive HEAD | tar -xf - -C "$root/varve"
else
  git ls-files -z --cached --others --exclude-standard | tar --null -T - --ignore-failed-read -cf - |
    tar -xf - -C "$root/varve"
fi
bind proc
bind dev

packages_now() { inside dpkg -l | sha256sum; }
# But for the folder itself, where install.sh has a temporary one.
peers_now() { inside sh -c 'cd /root/.cache/varve-peers && find . -mindepth 1 -printf "%p %i %T@\n" | sort' | sha256sum; }

# run WHAT ARGS...
run() {
  local what=$1 start=$SECONDS
  shift
  say "$what"
  inside bash -c 'cd /varve && exec "$@"' - "$@" || die "$what failed"
  echo "#### $what: $((SECONDS - start)) s"
}

run "./quickstart.sh" ./quickstart.sh
run "./quickstart.sh test" env T=.t ./quickstart.sh test
packages=$(packages_now) peers=$(peers_now)
run "./quickstart.sh again" ./quickstart.sh
run "./quickstart.sh test again" env T=000- ./quickstart.sh test
[ "$packages" = "$(packages_now)" ] || die "the second run installed packages"
[ "$peers" = "$(peers_now)" ] || die "the second run installed peers again"
say "both commands passed twice; the second time nothing was installed"
