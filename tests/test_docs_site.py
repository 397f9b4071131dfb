"""Pages are for GitHub and for MkDocs, which reads some things otherwise."""

import re
from pathlib import Path

import pytest
import yaml
from doc_pages import PAGES, text_of

from docs_site import api_pages, repository_files
from docs_site.docstrings import as_markdown
from docs_site.formulas import FormulaError, as_mathml, with_mathml
from docs_site.navigation import expanded
from docs_site.page_text import (
    for_site,
    outside_code,
    targets,
    with_links,
    with_wide_lists,
)
from docs_site.site_check import faults

ROOT = Path(__file__).resolve().parents[1]


class Loader(yaml.SafeLoader):
    """Knows no tags: what they hold is not asked for here."""


Loader.add_multi_constructor('', lambda *_: None)
CONFIG = yaml.load((ROOT / 'mkdocs.yml').read_text(), Loader)


def leaves(nav):
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [leaf for part in parts for leaf in leaves(part)]


@pytest.mark.parametrize(
    ('path', 'page'),
    [
        ('README.md', 'index.md'),
        ('CONTRIBUTING.md', 'contributing.md'),
        ('docs/faq.md', 'faq.md'),
        ('configs/advent/README.md', 'configs/advent/index.md'),
        ('configs/advent', 'configs/advent/index.md'),
        ('configs/advent/gta2cs.py', 'source/configs/advent/gta2cs.py.md'),
        ('tools', 'source/tools/index.md'),
        ('LICENSE', 'source/LICENSE.md'),
    ],
)
def test_place_of_a_file_on_the_site(path, page):
    assert repository_files.site_path(path) == page


@pytest.mark.parametrize(
    ('page', 'own', 'link', 'moved'),
    [
        ('docs/faq.md', 'faq.md', '../README.md#methods', 'index.md#methods'),
        ('docs/faq.md', 'faq.md', 'export.md', 'export.md'),
        ('docs/faq.md', 'faq.md', '#a', '#a'),
        ('docs/faq.md', 'faq.md', 'https://a.b/c', 'https://a.b/c'),
        ('docs/faq.md', 'faq.md', 'no.md', 'no.md'),
        ('README.md', 'index.md', 'docs/faq.md#a', 'faq.md#a'),
        (
            'configs/mic/README.md',
            'configs/mic/index.md',
            'mic_gta2cs.py',
            '../../source/configs/mic/mic_gta2cs.py.md',
        ),
        (
            'configs/mic/README.md',
            'configs/mic/index.md',
            '../hrda/README.md',
            '../hrda/index.md',
        ),
    ],
)
def test_links_lead_to_pages_of_the_site(page, own, link, moved):
    text = f'See [`this`]({link}).\n'
    assert with_links(page, own, text) == f'See [`this`]({moved}).\n'


def test_links_of_html_lead_to_what_is_built():
    text = 'a <a href="docs/faq.md#x">b</a> <img src="docs/assets/site.css">'
    assert with_links('README.md', 'index.md', text) == (
        'a <a href="faq.html#x">b</a> <img src="assets/site.css">'
    )


@pytest.mark.parametrize(
    'code',
    [
        '```python\n[a](README.md)\n```\n',
        '~~~~\n```\n[a](README.md)\n~~~~\n',
        'so `[a](README.md)` is\n',
        'so ``[a](README.md) ` `` is\n',
        '    ```\n    [a](README.md)\n    ```\n',
    ],
)
def test_code_is_left_alone(code):
    assert with_links('README.md', 'index.md', code) == code
    assert targets('README.md', code) == set()


def test_all_that_is_no_code_is_changed():
    text = 'a `b` c\n```\nd\n```\ne\n'
    assert outside_code(text, str.upper) == 'A `b` C\n```\nd\n```\nE\n'


def test_targets_are_files_and_folders_of_the_repository():
    text = '[a](../LICENSE) [b](../tools) [c](no.md) <a href="faq.md">d</a>'
    assert targets('docs/x.md', text) == {'LICENSE', 'tools', 'docs/faq.md'}


def test_lists_are_indented_by_four():
    text = '1. a\n\n   ```bash\n   b\n\n     c\n   ```\n2. d\n  - e\n\nf\n'
    assert with_wide_lists(text) == (
        '1. a\n\n    ```bash\n    b\n\n      c\n    ```\n2. d\n    - e\n\nf\n'
    )


def test_code_in_no_list_keeps_its_indentation():
    text = '```\nif a:\n  b\n```\n'
    assert with_wide_lists(text) == text


def test_folded_parts_are_markdown():
    text = '<details><summary>a</summary>\n\n**b**\n\n</details>\n'
    made = for_site('docs/x.md', 'x.md', text)
    assert made.startswith('<details markdown="1"><summary>a</summary>\n')


def test_stars_stand_for_pages_that_are_named_nowhere_else():
    nav = ['a.md', {'B': ['m/*', {'More': 'c.md'}]}, {'C': ['*']}]
    pages = ['a.md', 'c.md', 'd.md', 'm/a.b.md', 'm/a.md', 'm/index.md']
    pages += ['n/x.md']
    assert expanded([*nav, {'D': ['none/*']}], pages) == [
        'a.md',
        {'B': ['m/index.md', 'm/a.md', 'm/a.b.md', {'More': 'c.md'}]},
        {'C': ['d.md']},
    ]


def test_pages_that_the_navigation_names_exist():
    made = {repository_files.site_path(page) for page in PAGES}
    named = [leaf for leaf in leaves(CONFIG['nav']) if '*' not in leaf]
    assert len(named) > 10
    assert [name for name in named if name not in made] == []


def test_no_page_of_the_documentation_is_left_out():
    made = sorted(repository_files.site_path(page) for page in PAGES)
    assert set(leaves(expanded(CONFIG['nav'], made))) == set(made)


def test_source_pages_show_files_and_folders():
    page = repository_files.source_page('configs/advent/gta2cs.py')
    assert '# `configs/advent/gta2cs.py`\n\n~~~~~~~~ python\n' in page
    assert (ROOT / 'configs/advent/gta2cs.py').read_text() in page
    assert '- `hooks.py`\n' in repository_files.source_page('docs_site')


def test_source_pages_show_no_data():
    """Such as a link to a golden file leads to."""
    path = 'tests/data/goldens/modern/lr_s0.npz'
    size = (ROOT / path).stat().st_size
    page = repository_files.source_page(path)
    assert page.endswith(f'\n# `{path}`\n\n{size} bytes that are no text.\n')


def test_every_class_of_the_registry_has_a_place_in_the_api():
    shown = {m for p in api_pages.packages() for m in api_pages.modules(p)}
    assert {'mmuda.apis.segmenter', 'mmuda.models.uda.dacs'} <= shown
    files = {
        '.'.join(path.relative_to(ROOT).with_suffix('').parts)
        for path in (ROOT / 'mmuda').rglob('*.py')
        if re.search(r'^@\w+\.register_module', path.read_text(), re.M)
    }
    assert files - shown == set()


def test_api_pages_have_a_row_and_a_page_for_each_package():
    pages = dict(api_pages.api_pages())
    assert '| [`mmuda.apis`](mmuda.apis.md) | ' in pages['api/index.md']
    assert '::: mmuda.apis.segmenter\n' in pages['api/mmuda.apis.md']
    assert len(pages) == 1 + len(api_pages.packages())


@pytest.mark.parametrize('page', PAGES)
def test_formulas_are_written_as_both_read_them(page):
    """A dollar with a space inside is text for one and a formula for one."""
    found = []
    outside_code(
        text_of(page), lambda t: found.extend(re.findall(r'\\[(\[]', t)) or t
    )
    assert found == []


def site_of(folder, **pages):
    for name, text in pages.items():
        (folder / f'{name}.html').write_text(text)
    return [*faults(folder)]


def test_a_whole_site_has_no_faults(tmp_path):
    assert (
        site_of(
            tmp_path,
            a='<a href="b.html#x">b</a> <a href="https://c.d/">c</a>'
            '<a href="#y">y</a><p id="y"></p><a href="mailto:me">m</a>',
            b='<p id="x"></p><a href="a.html?q=1">a</a>',
        )
        == []
    )


@pytest.mark.parametrize(
    ('text', 'fault'),
    [
        ('<a href="c.html">', 'a.html: c.html leads nowhere'),
        ('<a href="#x">', 'a.html: #x leads to no place of its page'),
        (
            '<script src="//cdn.com/a.js"></script>',
            'a.html: //cdn.com/a.js is fetched from elsewhere',
        ),
        (
            '<link rel="stylesheet" href="https://f.com/a.css">',
            'a.html: https://f.com/a.css is fetched from elsewhere',
        ),
        ('<img src="a.png">', 'a.html: a.png leads nowhere'),
        (
            '<span class="arithmatex">',
            'a.html: has a formula that is not drawn',
        ),
        (
            '<a href="https://a.b/c" data-md-component="source">',
            'a.html: asks the host of the repository',
        ),
    ],
)
def test_faults_of_a_site(text, fault, tmp_path):
    assert site_of(tmp_path, a=text) == [fault]


def test_the_page_of_what_is_missing_asks_nobody(tmp_path):
    """Its links are those of a server, so that they are not looked at."""
    page = '<a href="/x/"></a><a data-md-component="source"></a>'
    assert site_of(tmp_path, **{'404': page, 'a': ''}) == [
        '404.html: asks the host of the repository'
    ]


def test_style_sheets_fetch_nothing(tmp_path):
    (tmp_path / 'a.css').write_text('@import "https://f.com/b.css";')
    assert site_of(tmp_path, a='') == [
        'a.css: https://f.com/b.css is fetched from elsewhere'
    ]


def test_an_empty_folder_is_no_site(tmp_path):
    assert [*faults(tmp_path)] == [f'{tmp_path}: has no page']


def test_what_search_engines_read_may_lie_elsewhere(tmp_path):
    text = '<link rel="canonical" href="https://a.b/">'
    assert site_of(tmp_path, a=text) == []


def test_docstrings_become_markdown():
    text = (
        'A\n`B\nc <https://d.e>`_ of :math:`x^2`::\n\n    f()\n\n'
        '.. math:: a\n    + b\n\n.. math::\n    a &= b \\\\\n    c &= d\n\nE'
    )
    assert as_markdown(text) == (
        'A\n[B c](https://d.e) of $x^2$:\n\n    f()\n\n'
        '$$\na + b\n$$\n\n\n'
        '$$\n\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}\n$$\n\nE'
    )


@pytest.mark.parametrize(
    ('formula', 'part'),
    [
        (r'\arg\max_c p', '<mo movablelimits="true">arg&#x02009;max</mo>'),
        (r'\begin{aligned} a &= b \end{aligned}', 'columnalign="left"'),
        (r'p \log p', '<mi>p</mi>§<mi>log</mi>§<mi>p</mi>'),
        (r'\log(p)', '<mrow><mi>log</mi><mo stretchy'),
        (r'\log_2 p', '<msub><mi>log</mi><mn>2</mn></msub>'),
        (r'\frac 1 2', '<mfrac><mn>1</mn><mn>2</mn></mfrac>'),
    ],
)
def test_formulas_are_drawn(formula, part):
    page = f'<div class="arithmatex">\\[{formula}\\]</div>'
    drawn = with_mathml(page.replace('&', '&amp;'))
    assert part in drawn.replace('<mspace width="0.167em" />', '§')


def test_unknown_commands_are_refused():
    with pytest.raises(FormulaError, match=r'a \\unheard: \\unheard is not'):
        as_mathml(r'a \unheard', 'inline')


def test_quick_start_repeats_the_numbers_of_the_demo():
    """They are measured in one place and shown in two."""
    row = re.compile(r'^\| (?:source only|HRDA), 300 .*$', re.M)
    shown = row.findall(text_of('docs/quick_start.md'))
    assert len(shown) == 3
    assert [r for r in shown if r not in text_of('docs/demo.md')] == []
