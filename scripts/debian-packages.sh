#!/bin/sh
# debian-packages.sh run|test|fuzz|image|test-image: installs the Debian packages that are needed and absent; nothing if there are none.
# What conflicts with one of them is unpacked into build/debian/ instead.
# A running service is left alone, none is started, and no question is asked.
set -eu

set_name=$1
as_root=''
# Programs that cannot be installed beside what is: they are unpacked here, and run from here.
unpacked=$(dirname "$0")/../build/debian

has() { command -v "$1" >/dev/null 2>&1; }
has_package() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
want() { has_package "$1" || missing="$missing $1"; }

# What a compiler and node-gyp are made of is asked for by command: any compiler will do.
missing_for_run() {
  has g++ || missing="$missing g++"
  has make || missing="$missing make"
  has python3 || missing="$missing python3"
  has pkg-config || missing="$missing pkg-config"
  # One API, two packages: Vectorscan is preferred, Debian 12's Hyperscan 5.4.0 lacks fixes.
  has_package libvectorscan-dev || has_package libhyperscan-dev || missing="$missing libvectorscan-dev"
  want libpcre2-dev
}

missing_for_test() {
  want postfix
  want postfix-ldap
  want slapd
  want ldap-utils
  want dovecot-lmtpd
  want unbound
  want ldnsutils
  want strace
  has ip || missing="$missing iproute2"
  want curl
  # Units, firewall and package: systemd-analyze, systemd-socket-activate; nothing of it is started.
  want systemd
  want nftables
  want lintian
  # SNMP: the master agent, its tools, the receiver of traps, and the checker of MIB files.
  want snmpd
  want snmp
  want snmptrapd
  want smitools
  want swaks
  # clamscan, for the signatures that we read too; no database of its own is fetched.
  want clamav
  # The console is looked at through a terminal of others, and pings.
  want tmux
  want iputils-ping
  # A time service that tells whether it knows the time.
  want chrony
  # promtool, a browser, and the parser of OpenMetrics' own authors: what scrapes us must be able to read us.
  want prometheus
  want chromium
  want python3-prometheus-client
  has openssl || missing="$missing openssl"
  want procps
  want e2fsprogs
  want qemu-utils
  want qemu-system-common
  # A mail-transport-agent conflicts with any other, Postfix among them. What it links to comes with unbound and with
  # Debian itself.
  [ -x "$unpacked/opensmtpd/usr/sbin/smtpd" ] || unpack=opensmtpd
  missing_for_fuzz
}

missing_for_fuzz() {
  has clang++ || missing="$missing clang"
  # libFuzzer and ASan are a package of their own, of the compiler's version.
  runtime=$(has clang++ && clang++ --print-file-name="libclang_rt.fuzzer-$(uname -m).a" || true)
  [ -f "$runtime" ] || missing="$missing libclang-rt-dev"
}

become_root() {
  [ "$(id -u)" = 0 ] && return
  if has sudo; then
    as_root=sudo
    return
  fi
  echo "These Debian packages are missing:$missing" >&2
  echo "Installing them needs root, and there is no sudo here. As root: apt-get install$missing" >&2
  exit 1
}

apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_MODE=a \
    apt-get -q -y -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$log" 2>&1
}

# --no-remove: a mail server that the machine already has (only one may be installed) is worth more than our tests.
install_all() { apt install --no-install-recommends --no-remove "$@"; }

# Debian starts a service when its package is installed, unless this file forbids it.
forbid_starts() {
  policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] && return
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
  trap '$as_root rm -f "$policy"; rm -f "$log"' EXIT
}

# Postfix's and slapd's own questions are answered "No configuration": our private instances bring theirs, and the units
# then have nothing to start, at this or any later boot.
answer_questions() {
  echo 'postfix postfix/main_mailer_type select No configuration' | $as_root debconf-set-selections 2>/dev/null || true
  echo 'slapd slapd/no_configuration boolean true' | $as_root debconf-set-selections 2>/dev/null || true
}

# unpack_one PACKAGE: its files, without its scripts, into a folder of its own.
unpack_one() {
  folder=$(mktemp -d)
  mkdir -p "$unpacked"
  rm -rf "${unpacked:?}/$1"
  if (cd "$folder" && apt-get -q download "$1") >>"$log" 2>&1 && dpkg-deb -x "$folder/$1"_*.deb "$folder/root"; then
    mv "$folder/root" "$unpacked/$1"
  else
    echo "Could not unpack $1; the tests that need it are skipped."
  fi
  rm -rf "$folder"
}

# A freshly installed Dovecot, unbound, slapd or chrony is not left to start at the next boot.
disable_new_services() {
  has systemctl || return 0
  case " $missing " in
    *' dovecot-lmtpd '*) $as_root systemctl disable dovecot.service dovecot.socket >/dev/null 2>&1 || true ;;
  esac
  case " $missing " in
    *' slapd '*) $as_root systemctl disable slapd.service >/dev/null 2>&1 || true ;;
  esac
  case " $missing " in
    *' chrony '*) $as_root systemctl disable chrony.service >/dev/null 2>&1 || true ;;
  esac
  case " $missing " in
    *' clamav '*) $as_root systemctl disable clamav-freshclam.service >/dev/null 2>&1 || true ;;
  esac
  case " $missing " in
    *' unbound '*) $as_root systemctl disable unbound.service unbound-resolvconf.service >/dev/null 2>&1 || true ;;
  esac
}

# What builds the image is Debian 13's and is unpacked by mmdebstrap; here is only what unpacks it.
missing_for_image() {
  missing_for_run
  has mmdebstrap || missing="$missing mmdebstrap"
  has unshare || missing="$missing util-linux"
  [ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
}

missing_for_test_image() {
  missing_for_image
  has qemu-system-x86_64 || missing="$missing qemu-system-x86"
  want ovmf
  has swtpm || missing="$missing swtpm"
  has mcopy || missing="$missing mtools"
  has mkfs.vfat || missing="$missing dosfstools"
  has sfdisk || missing="$missing fdisk"
  # smtp-source: mail by the hundred while the power is cut.
  want postfix
}

missing=''
unpack=''
case $set_name in
  image) missing_for_image ;;
  test-image) missing_for_test_image ;;
  run) missing_for_run ;;
  test) missing_for_test ;;
  fuzz) missing_for_fuzz ;;
  *)
    echo 'usage: debian-packages.sh run|test|fuzz|image|test-image' >&2
    exit 64
    ;;
esac
[ -n "$missing$unpack" ] || exit 0

if ! has apt-get; then
  [ -n "$missing" ] || exit 0
  echo "This is not Debian (no apt-get). Needed:$missing, or what your distribution calls them." >&2
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ -n "$unpack" ] && [ -z "$missing" ]; then
  echo "Unpacking Debian packages: $unpack"
  # The lists that apt has may do; only bringing them up to date needs root.
  if [ -z "$(apt-cache madison "$unpack" 2>/dev/null)" ]; then
    [ "$(id -u)" = 0 ] || ! has sudo || as_root=sudo
    apt update || true
  fi
  unpack_one "$unpack"
  exit 0
fi
become_root
echo "Installing Debian packages:$missing $unpack"
forbid_starts
answer_questions

apt update || { tail -n 20 "$log" >&2; echo 'apt-get update failed: the lines above say why.' >&2; exit 1; }
case " $missing " in
  *' libvectorscan-dev '*)
    if [ -z "$(apt-cache madison libvectorscan-dev 2>/dev/null)" ]; then
      missing=$(echo "$missing" | sed 's/libvectorscan-dev/libhyperscan-dev/')
    fi
    ;;
esac
[ -z "$unpack" ] || unpack_one "$unpack"

# shellcheck disable=SC2086 -- a list of words
if install_all $missing; then
  disable_new_services
  exit 0
fi
if [ "$set_name" = run ]; then
  tail -n 30 "$log" >&2
  echo "Debian's packages could not be installed:$missing. The lines above say why." >&2
  exit 1
fi
# One by one: a test whose peer could not be installed says so and is skipped; the others run.
for package in $missing; do
  install_all "$package" || echo "Could not install $package; the tests that need it are skipped."
done
disable_new_services
