# Makes .venv hold exactly what a lock names. Sourced by scripts/schakel, test, bench and mutate.
#
#   set_up "$root" requirements.lock [LOCK THAT WILL DO TOO]
#
# Once .venv/.schakel holds a copy of the lock and the path of the checkout, this costs one or two runs of cmp.
# The copy is written last, so a set-up that was cut off is done again. SCHAKEL_PYTHON names the Python that
# a new .venv is made of; one that is there stays as it is: remove it to change over.
# shellcheck shell=sh

# Settings of the caller's Python and pip that would lead an installation, or a run, astray. Those that say where
# packages come from (PIP_INDEX_URL, PIP_CERT, PIP_CONFIG_FILE, …) stay.
unset PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONPLATLIBDIR

set_up() {
    root=$1 venv=$1/.venv lock=$2 also=${3:-$2}
    holds "$lock" "$also" || install_in_turn || exit 1
}

# Whether .venv stands, was made for this place, and holds one of these locks to the letter.
holds() {
    [ -x "$venv/bin/python" ] && [ -r "$venv/.schakel/root" ] && [ -r "$venv/.schakel/lock" ] || return 1
    IFS= read -r made_for <"$venv/.schakel/root" && [ "$made_for" = "$root" ] || return 1
    for wanted in "$@"; do
        cmp -s "$root/$wanted" "$venv/.schakel/lock" && return 0
    done
    return 1
}

install_in_turn() {
    find_python || return 1
    if ! { [ -w "$root" ] && [ -w "$root/scripts/setup.sh" ]; }; then
        say "Cannot write in $root, and .venv there is not up to date. Run this once as the owner of that directory."
        return 1
    fi
    # The lock on this file is the kernel's: whatever happens to its holder, it never stays behind.
    exec 9<>"$root/scripts/setup.sh"
    if ! take_turn LOCK_NB; then
        say 'Another run is setting up .venv; waiting for it …'
        take_turn LOCK_EX || { say "Cannot lock $root/scripts/setup.sh. Is that on a disk that knows no locks?"; return 1; }
    fi
    holds "$lock" "$also" || install
    installed=$?
    exec 9>&-
    return "$installed"
}

take_turn() {
    "$python" -P -c "import fcntl; fcntl.flock(0, fcntl.LOCK_EX | fcntl.$1)" <&9 2>/dev/null
}

# Sets $python (which runs pip), $base (which .venv is made of: its true path, so that an upgrade of the system's
# Python shows as a broken link and not as an empty .venv) and $pip: 'own', or 'bundled' when only ensurepip is there.
find_python() {
    for python in ${SCHAKEL_PYTHON:+"$SCHAKEL_PYTHON"} python3.13 python3.12 python3.11 python3; do
        if found=$("$python" -P -c "$PROBE" 2>/dev/null); then
            pip=${found%% *} base=${found#* }
            case $python in /*) ;; */*) python=$PWD/$python ;; esac
            return 0
        fi
        [ "$python" != "${SCHAKEL_PYTHON:-}" ] || {
            say "SCHAKEL_PYTHON is $python, which is no Python 3.11 or newer that has venv and pip 22.3 or newer."
            say 'Point it at one that is, or unset it to have one looked for.'
            return 1
        }
    done
    say 'Schakel needs Python 3.11 or newer with venv and pip (22.3 or newer), and found none: not as python3.13,'
    say 'python3.12, python3.11 or python3. Install one (on Debian and Ubuntu: apt install python3 python3-pip),'
    say 'or name one: SCHAKEL_PYTHON=/path/to/python3'
    return 1
}

PROBE='
import importlib.util, os, sys
if sys.version_info < (3, 11) or not importlib.util.find_spec("venv"):
    sys.exit(1)
try:
    import pip
    own = tuple(int(part) for part in pip.__version__.split(".")[:2]) >= (22, 3)
except (ImportError, ValueError):
    own = False
if not own and not importlib.util.find_spec("ensurepip"):
    sys.exit(1)
print("own" if own else "bundled", os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable))
'

install() {
    if [ -e "$venv" ] && [ ! -d "$venv/.schakel" ]; then
        say "$venv is there, but was not made by these scripts. Move it away, and run this again."
        return 1
    fi
    say 'Setting up .venv (once, about a minute) …'
    # The lock of the tests only adds to the other, so what stands as it should be need not go.
    if [ "$lock" = requirements-test.lock ] && [ "$pip" = own ] && holds requirements.lock; then
        rm -f "$venv/.schakel/lock"
    else
        make_venv || return 1
    fi
    install_lock || return 1
    # Relative to where it stands, so that no letter of the path can go wrong: the checkout is importable from anywhere.
    for packages in "$venv"/lib/python3.*/site-packages; do
        printf '../../../..\n' >"$packages/schakel-checkout.pth" || return 1
    done
    printf '%s\n' "$root" >"$venv/.schakel/root" &&
        cp "$root/$lock" "$venv/.schakel/lock.new" && mv "$venv/.schakel/lock.new" "$venv/.schakel/lock"
}

make_venv() {
    case $pip in own) without=--without-pip ;; *) without= ;; esac
    { rm -rf "$venv" && mkdir -p "$venv/.schakel"; } || return 1
    # shellcheck disable=SC2086 # no option is no word
    noise=$(cd "$root" && "$base" -P -m venv $without .venv 2>&1 </dev/null) || {
        printf '%s\n' "$noise" >&2
        say "Making .venv with $base failed (its words are above)."
        return 1
    }
}

install_lock() {
    case $pip in own) runs_pip=$python ;; *) runs_pip=$venv/bin/python ;; esac
    noise=$(
        unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_PYTHON PIP_REQUIRE_VIRTUALENV PIP_DRY_RUN PIP_NO_DEPS \
            PIP_REQUIREMENT PIP_CONSTRAINT PIP_BUILD_CONSTRAINT PIP_EDITABLE PIP_NO_BINARY PIP_PLATFORM PIP_ABI \
            PIP_PYTHON_VERSION PIP_IMPLEMENTATION PIP_IGNORE_INSTALLED PIP_UPGRADE PIP_LOG PIP_REPORT PYTHONWARNINGS
        cd "$root" && "$runs_pip" -P -m pip --python "$venv/bin/python" install --quiet --no-input --no-user \
            --disable-pip-version-check --require-hashes --only-binary :all: -r "$lock" 2>&1 </dev/null
    ) || {
        printf '%s\n' "$noise" >&2
        say "Installing $lock failed (pip's words are above). When the index could not be reached: check the network, or"
        say 'set PIP_INDEX_URL to a mirror. When a package has no wheel for this Python: set SCHAKEL_PYTHON to a Python'
        say '3.11, 3.12 or 3.13. Then run this again.'
        return 1
    }
}

say() {
    printf '%s\n' "$*" >&2
}
