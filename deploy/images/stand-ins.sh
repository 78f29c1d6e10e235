#!/usr/bin/env bash
# Builds stand-ins for the public base images from Debian's packages and PyPI alone, for a machine that reaches no
# image registry, and writes `.env` so that compose builds on them. Needs root, a Docker engine and debootstrap.
# What is there already is kept: remove the image to have it built anew.
set -euo pipefail
cd "$(dirname "$0")"

suite=bookworm
prefix=velaro-stand-in
# The machine's own certificates: behind a proxy that re-signs, the registries are trusted through these.
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
stand_ins=(python node mongo rabbitmq haproxy)

missing() { ! docker image inspect "$prefix/$1" >/dev/null 2>&1; }

debian() {
  local root
  root=$(mktemp -d)
  trap 'rm -rf -- "$root"' RETURN
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" >"$root.log" || { tail -n 20 "$root.log"; return 1; }
  rm -f "$root.log"
  install -m 644 "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"
  # As the public slim images have it: nothing to read for people, nothing of apt's to keep.
  printf 'path-exclude /usr/share/%s/*\n' doc man info locale lintian >"$root/etc/dpkg/dpkg.cfg.d/slim"
  # Without this, apt keeps 80 MB of what it knows of packages in each image.
  printf 'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\nAPT::Keep-Downloaded-Packages "false";\n' \
    >"$root/etc/apt/apt.conf.d/slim"
  echo 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };' >>"$root/etc/apt/apt.conf.d/slim"
  tar -C "$root" -c \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' \
    --exclude='./usr/share/locale/*' --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./dev/*' . |
    docker import --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
      --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' - "$prefix/debian" >/dev/null
}

build() {
  echo "Building the stand-in for $1"
  docker build -q -t "$prefix/$1" --build-arg BASE="$prefix/$2" "$1" >/dev/null
}

if missing debian; then
  echo "Building the stand-in for Debian itself"
  debian
fi
for name in "${stand_ins[@]}"; do
  missing "$name" || continue
  # Node comes from PyPI, so its stand-in stands on Python's.
  case $name in node | mongo) base=python ;; *) base=debian ;; esac
  build "$name" "$base"
done

for name in "${stand_ins[@]}"; do
  echo "VELARO_${name^^}_IMAGE=$prefix/$name"
done >../../.env
echo "Written to .env: $(tr '\n' ' ' <../../.env)"
