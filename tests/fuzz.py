"""Gives the compiled splitters, scan, transcoder and translation what libFuzzer makes up, under AddressSanitizer and
UndefinedBehaviorSanitizer: `python tests/fuzz.py --seconds 60`.

It needs clang with its runtime libraries (Debian: clang, libclang-rt-14-dev), builds in a folder of its own, keeps
there what led to new code, and fails with the input that was wrong. `support/fuzzing.py` says what is done with an
input; `python tests/fuzz.py --input FILE` does it with one. What was found is in tests/framing/test_framing_fuzzed.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

TESTS = Path(__file__).parent
SANITIZERS = "-fsanitize=address,undefined,fuzzer"
IGNORED = """# Functions of Cython itself add 0 to null pointers.
[pointer-overflow]
fun:__pyx_pw_*
fun:__Pyx_*
"""


def build(work: Path) -> None:
    """Builds the package and the fuzzer, and writes inputs to begin with."""
    source = work / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for name in ("fastserver", "ext"):
        shutil.copytree(TESTS.parent / name, source / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TESTS.parent / name, source)
    (work / "corpus").mkdir(exist_ok=True)
    # Before anything is compiled: only the fuzzer can load what is compiled for it.
    write = "from support.fuzzseeds import seeds\nfor name, seed in seeds(): open(name, 'wb').write(seed)"
    subprocess.run([sys.executable, "-c", write], cwd=work / "corpus", env=environment(work), check=True)
    ignored = work / "ignored.txt"
    ignored.write_text(IGNORED)
    flags = (
        f"{SANITIZERS.replace('fuzzer', 'fuzzer-no-link')} -fno-sanitize-recover=all -fsanitize-ignorelist={ignored}"
    )
    compilers = {"CC": "clang", "LDSHARED": "clang -shared", "CFLAGS": f"{flags} -g -Wno-everything"}
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=source, env=os.environ | compilers, check=True
    )
    library = sysconfig.get_config_var("LIBDIR")
    python = [f"-L{library}", f"-Wl,-rpath,{library}", f"-lpython{sysconfig.get_config_var('LDVERSION')}"]
    compiled = ["-g", "-O2", SANITIZERS, f"-I{sysconfig.get_path('include')}", TESTS / "support" / "fuzzing.c"]
    subprocess.run(["clang", *compiled, *python, "-rdynamic", "-o", work / "fuzz"], check=True)


def environment(work: Path) -> dict[str, str]:
    """The environment in which the package is the one that was built for the fuzzer."""
    path = [work / "source", TESTS, *(one for one in sys.path if one.endswith("-packages"))]
    # Without the allocator of Python, each of its objects has an end that is guarded.
    options = {
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=0:quarantine_size_mb=4:max_malloc_fill_size=0",
    }
    return os.environ | options | {"PYTHONPATH": os.pathsep.join(map(str, path))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="how long to run (default: 60)")
    parser.add_argument("--processes", type=int, default=1, help="how many at a time (default: 1)")
    parser.add_argument("--work", type=Path, default=TESTS.parent / "build" / "fuzz", help="folder to build in")
    parser.add_argument("--longest", type=int, default=128, help="bytes of the longest input (default: 128)")
    parser.add_argument("--input", type=Path, help="does what is done with this one input, and nothing else")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    build(work)
    command: list[str | Path] = [
        work / "fuzz",
        "-print_final_stats=1",
        "-timeout=20",
        f"-artifact_prefix={work}/wrong-",
    ]
    if arguments.input is not None:
        command.append(arguments.input.resolve())
    else:
        command += [f"-max_total_time={arguments.seconds}", f"-max_len={arguments.longest}", "-entropic=0"]
        command += [f"-fork={arguments.processes}"] * (arguments.processes > 1)
        command.append(work / "corpus")
    return subprocess.run(command, env=environment(work)).returncode


if __name__ == "__main__":
    sys.exit(main())
