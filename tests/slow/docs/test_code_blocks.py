from __future__ import annotations

from pathlib import Path

import pytest
from code_blocks import Command, blocks, commands
from distributions import site_on_path
from reader import Reader

PAGE = """\
# A page

```python
# plugin.py
x = 1
```

<!-- not run: needs a GPU -->

```bash
tlml fit
```

<!-- not run: -->
```bash
tlml test
```

````markdown
```python
inner
```
````

- in a list

  ```console
  $ tlml list \\
      --json  # all of it
  [
  $ OMP_NUM_THREADS=1 tlml info 'a b'
  ```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_blocks_have_their_lines_languages_and_texts(page: Path) -> None:
    found = blocks(page)
    assert [(b.line, b.language) for b in found] == [
        (4, "python"),
        (11, "bash"),
        (16, "bash"),
        (20, "markdown"),
        (28, "console"),
    ]
    assert found[0].text == "# plugin.py\nx = 1"
    assert found[0].file_name == "plugin.py"
    assert found[3].text == "```python\ninner\n```"
    assert found[3].file_name is None


def test_the_reason_not_to_run_stands_before_the_block(page: Path) -> None:
    assert [b.not_run for b in blocks(page)] == [None, "needs a GPU", "", None, None]


def test_a_block_that_is_not_closed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "open.md"
    path.write_text("text\n```python\nx = 1\n")
    with pytest.raises(ValueError, match=r"open\.md:2: the code block is not closed$"):
        blocks(path)


def test_commands_are_joined_and_keep_their_output(page: Path) -> None:
    assert list(commands(blocks(page)[4])) == [
        Command(28, ["tlml", "list", "--json"], ["["]),
        Command(31, ["OMP_NUM_THREADS=1", "tlml", "info", "a b"], []),
    ]


def follow(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = folder / "page.md"
    page.write_text(text)
    with pytest.MonkeyPatch.context() as patch, site_on_path(folder) as site:
        patch.chdir(folder)
        reader = Reader(site, patch, capsys)
        for block in blocks(page):
            reader.follow(block)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nx = 1\n```\n\n```python\nx\n1 / 0\n```\n", "page.md:7: ZeroDivisionError"),
        ("```bash\ntlml list --jsn\n```\n", "page.md:2: tlml list --jsn: exit 2"),
        ("```bash\n\nrm -r /\n```\n", "page.md:3: rm -r /: neither run nor checked"),
        ("```console\n$ tlml list\ntlml: no\n```\n", "page.md:2: tlml list: exit 0"),
        ("```bash\nmake demonstration\n```\n", "page.md:2: AssertionError"),
        ("```bash\npip install 'tlml[everything]'\n```\n", "page.md:2: AssertionError"),
        ("```yaml\nname: x\nmethods: {}\n```\n", "page.md:2: TlmlError"),
        ("```py\nx = 1\n```\n", "page.md:2: AssertionError: 'py' is none of python"),
    ],
)
def test_what_does_not_work_fails_with_page_and_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(pytest.fail.Exception) as caught:
        follow(text, tmp_path, capsys)
    assert message in str(caught.value)


def test_a_plugin_shown_on_a_page_is_used_by_its_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """\
```python
# waves_tlml.py
from tlml import Spec, hookimpl

@hookimpl
def tlml_domains():
    return [Spec("waves", "waves_tlml:Waves", "waves of the sea", gives={"episodes"})]
```
```toml
# pyproject.toml
[project]
name = "waves"
version = "1.0"
[project.entry-points.tlml]
waves = "waves_tlml"
```
```console
$ pip install -e .
$ tlml info waves
$ tlml info wavs --kind domain
tlml: no domain is called 'wavs'; did you mean waves?
```
"""
    follow(text, tmp_path, capsys)
