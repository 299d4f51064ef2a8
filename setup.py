"""Only what pyproject.toml cannot say: the Cython extension, optional where no compiler is."""

import os

from setuptools import Extension, setup

try:
    from Cython.Build import cythonize
except ImportError:
    ext_modules = []
else:
    # FASTSERVER_TRACE=1 builds with line tracing, for coverage of the .pyx files.
    trace = os.environ.get("FASTSERVER_TRACE") == "1"
    # FASTSERVER_SANITIZE=1 builds with AddressSanitizer (see tests/nomemory.py).
    sanitize = ["-fsanitize=address", "-g"] if os.environ.get("FASTSERVER_SANITIZE") == "1" else []
    macros = [(name, "1") for name in ("CYTHON_TRACE", "CYTHON_TRACE_NOGIL")] if trace else []
    ext_modules = cythonize(
        [
            Extension(
                f"fastserver.{name}",
                [source],
                define_macros=macros,
                extra_compile_args=["-O3", *sanitize],
                extra_link_args=sanitize,
            )
            for name, source in (  # as fastserver/compiled.py names them
                ("framing._crowded", "ext/_crowded.pyx"),
                ("framing._splitters", "ext/_splitters.pyx"),
                ("fanout._sending", "ext/_sending.pyx"),
                ("fanout.member", "fastserver/fanout/member.py"),
                ("fanout.batch", "fastserver/fanout/batch.py"),
                ("fanout.view", "fastserver/fanout/view.py"),
                ("fanout.limit", "fastserver/fanout/limit.py"),
                ("fanout.stretch", "fastserver/fanout/stretch.py"),
                ("fanout.tick", "fastserver/fanout/tick.py"),
                ("peers.link", "fastserver/peers/link.py"),
                ("peers.reading", "fastserver/peers/reading.py"),
            )
        ],
        include_path=["ext", "."],
        build_dir="build",  # where the C goes
        force=True,  # it would not notice that a .pxd has changed
        # Annotations are for the checker of types; what is typed for the compiler stands in the .pxd. Without binding,
        # methods are called as those of built-in types are.
        compiler_directives={"language_level": "3", "linetrace": trace, "annotation_typing": False, "binding": False},
    )
    for extension in ext_modules:
        extension.optional = True  # only now: cythonize makes extensions anew and forgets it

setup(ext_modules=ext_modules)
