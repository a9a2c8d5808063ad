"""Which functions spawn() takes, and how those of a script, of `-c` and of a prompt get there."""

import functools
import subprocess
import sys
import textwrap

import pytest
import worker_functions as functions

import support
from interpchannels import spawn
from support import run_quietly

SCRIPT = """
    import functools, math, os.path, sys
    import email.message
    import json.decoder as decoder
    from collections import Counter as Tally
    from math import factorial
    import interpchannels

    FACTOR = 3
    TABLE = {"a": [1], "b": (2, None)}

    def helper(x, *, plus=FACTOR):
        return FACTOR * x + plus

    def uses_much(x, key=helper, names=sorted):
        "Its text."
        message = email.message.Message()
        message["to"] = decoder.JSONDecoder().decode("[1]")[0] * "a"
        counted = Tally(names("banana")).most_common(1)
        inner = [helper(n) for n in range(3)]
        class Local:
            factor = FACTOR
        return key(x), message["to"], counted, inner, Local.factor, (lambda: TABLE)()

    def factorial_again(n):
        return 1 if n < 2 else n * factorial_again(n - 1)

    def even(n): return n == 0 or odd(n - 1)
    def odd(n): return n != 0 and even(n - 1)

    def outer():
        def nested(x): return x + FACTOR
        return nested

    def counts():
        global TABLE, count
        count = len(TABLE)
        TABLE = None
        return count

    def about():
        return uses_much.__doc__, uses_much.__name__, uses_much.__qualname__, __name__

    def default_of_default(x=lambda y=FACTOR: y): return x()

    for call in ((uses_much, 2), (factorial_again, 10), (even, 7), (outer(), 1), (counts,), (about,),
                 (lambda x, y=FACTOR: (x, y, factorial(x)), 4), (functools.partial(helper, plus=1), 5),
                 (functools.partial(functools.partial(math.pow, 2), 3),), (default_of_default,),
                 ({"x": 1}.get, "missing")):
        try:
            print(interpchannels.spawn(*call).result())
        except Exception as error:
            print(type(error).__name__, error)
    print(TABLE)
"""

EXPECTED = """\
(9, 'a', [('a', 3)], [3, 6, 9], 3, {'a': [1], 'b': (2, None)})
3628800
False
4
2
('Its text.', 'uses_much', 'uses_much', '__main__')
(4, 3, 24)
16
8.0
3
None
{'a': [1], 'b': (2, None)}
"""


def run_main(way, source, tmp_path):
    source = textwrap.dedent(source)
    if way == "script":
        path = tmp_path / "script.py"
        path.write_text(source)
        command, text = [str(path)], None
    elif way == "module":
        (tmp_path / "run_as_module.py").write_text(source)
        command, text = ["-m", "run_as_module"], None
    elif way == "-c":
        command, text = ["-c", source], None
    elif way == "stdin":
        command, text = ["-"], source
    else:
        # A prompt compiles one statement after the other: blocks end with an empty line.
        statements = []
        for line in source.splitlines():
            if statements and line and not line.startswith((" ", "else", "except")):
                statements.append("")
            if line:
                statements.append(line)
        command, text = ["-i", "-q", "-"], "\n".join([*statements, "", ""])
    done = subprocess.run(
        [sys.executable, *command],
        input=text,
        text=True,
        capture_output=True,
        timeout=support.HANG,
        cwd=tmp_path,
        env=support.child_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("way", ["script", "module", "-c", "stdin", "prompt"])
def test_functions_of_main(way, tmp_path):
    assert run_main(way, SCRIPT, tmp_path) == EXPECTED


def test_a_notebook(tmp_path):
    """A cell's code is compiled by itself and run in the dict of `__main__`, as IPython does it."""
    out = run_main(
        "script",
        '''
        import sys, types
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        for cell in ("import interpchannels, math", "half = 0.5", """
        def area(radius):
            return round(math.pi * radius ** 2 * half, 2)
        """, "print(interpchannels.spawn(area, 2).result())"):
            import textwrap
            exec(compile(textwrap.dedent(cell), "<ipython-input-1>", "exec"), main.__dict__)
        ''',
        tmp_path,
    )
    assert out == "6.28\n"


def test_a_script_is_not_run_again(tmp_path):
    """So it needs no `if __name__ == '__main__'`."""
    out = run_main(
        "script",
        """
        import interpchannels
        print("once")
        def f(): return 1
        interpchannels.spawn(f).join()
        """,
        tmp_path,
    )
    assert out == "once\n"


REFUSED = {
    "closure": (
        "def outer(a, b):\n    def f(): return a + b\n    return f\nf = outer(1, 2)",
        "ValueError: outer.<locals>.f uses a, b of an enclosing function",
    ),
    "closure of a helper": (
        "def outer(a):\n    def g(): return a\n    return g\ng = outer(1)\ndef f(): return g()",
        "ValueError: outer.<locals>.g uses a of an enclosing function",
    ),
    "decorator": (
        "import functools\ndef deco(fn):\n    @functools.wraps(fn)\n    def wrapper(): return fn()\n"
        "    return wrapper\n@deco\ndef f(): return 1",
        "ValueError: f uses fn of an enclosing function",
    ),
    "cached": (
        "import functools\n@functools.cache\ndef f(): return 1",
        "ValueError: the _lru_cache_wrapper f of __main__, which cannot run in another interpreter: put it into",
    ),
    "class used": (
        "class Item: pass\ndef f(): return Item()",
        "ValueError: f uses the class Item of __main__, which cannot be found by another interpreter: put it into",
    ),
    "class": ("class f: pass", "ValueError: the class f of __main__"),
    "method": (
        "class Item:\n    def m(self): return 1\nf = Item().m",
        "ValueError: the method Item.m of __main__",
    ),
    "callable instance": (
        "class Item:\n    def __call__(self): return 1\nf = Item()",
        "ValueError: the Item ",
    ),
    "partial of a class": (
        "import functools\nclass Item: pass\nf = functools.partial(Item)",
        "ValueError: the class Item of __main__",
    ),
    "super": (
        "class Item:\n    def m(self): return super().__init__()\nf = Item.m",
        "ValueError: Item.m uses __class__ of an enclosing function",
    ),
    "async": ("async def f(): return 1", "ValueError: f is an async function"),
    "async generator": ("async def f(): yield 1", "ValueError: f is an async function"),
    "global": (
        "import threading\nlock = threading.Lock()\ndef f():\n    with lock: return 1",
        "NotShareableError: cannot send f: its global lock cannot cross",
    ),
    "global of a helper": (
        "import threading\nlock = threading.Lock()\ndef g():\n    with lock: return 1\ndef f(): return g()",
        "NotShareableError: cannot send f: its global lock cannot cross",
    ),
    "default": (
        "import threading\ndef f(lock=threading.Lock()): return 1",
        "NotShareableError: cannot send f: a default of f cannot cross",
    ),
    "main itself": (
        "import __main__\ndef f(): return __main__.x",
        "ValueError: f uses the module __main__",
    ),
    "other globals": (
        "namespace = {'__name__': '__main__'}\nexec('def g(): return 1', namespace)\ng = namespace['g']\n"
        "def f(): return g()",
        "ValueError: g has other globals",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why(case):
    source, message = REFUSED[case]
    out = run_quietly(
        f"import interpchannels\n{source}\n"
        "try:\n    interpchannels.spawn(f)\nexcept Exception as error:\n"
        "    print(f'{type(error).__name__}: {error}')\n"
    )
    assert out.startswith(message), out


def test_a_default_that_cannot_cross_is_told_for_a_partial_too():
    out = run_quietly(
        """
        import functools, threading
        import interpchannels
        lock = threading.Lock()
        def f(x):
            with lock: return x
        try:
            interpchannels.spawn(functools.partial(f, 1))
        except interpchannels.NotShareableError as error:
            print(error)
        """
    )
    assert "its global lock cannot cross" in out


def test_functions_of_modules():
    assert spawn(functions.add, 1, 2).result() == 3
    assert spawn(functools.partial(functions.add, 1), 2).result() == 3
    assert spawn(functools.partial(functions.add, b=1), 2).result() == 3
    assert spawn("a-b".split, "-").result() == ["a", "b"]
    assert spawn(str.upper, "x").result() == "X"
    assert spawn(dict.fromkeys, "ab").result() == {"a": None, "b": None}
    assert spawn(int, "12").result() == 12
    assert spawn([3, 1, 2].index, 1).result() == 1
    with pytest.raises(ValueError, match=r"lambda.*top level of a module"):
        spawn(lambda: 1)


def test_instances_of_classes_of_main_as_arguments():
    """Refused where they arrive, since nobody before it knows what the other interpreter has."""
    out = run_quietly(
        """
        import interpchannels
        class Item: pass
        def f(item): return 1
        try:
            interpchannels.spawn(f, Item()).result()
        except AttributeError as error:
            print(error)
        """
    )
    assert out.startswith("cannot receive a __main__.Item: ")
    assert "put it into a module" in out
