"""What a release says about itself is the same everywhere."""

import datetime
import re
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

import mmuda

ROOT = Path(__file__).resolve().parents[1]
HEADING = re.compile(r'^## (\S+) \((\d{4}-\d\d-\d\d)\)$', re.M)


@pytest.fixture
def citation():
    text = (ROOT / 'CITATION.cff').read_text()
    return yaml.load(text, Loader=yaml.BaseLoader)


def releases():
    """Versions and dates of the changelog, newest first."""
    return HEADING.findall((ROOT / 'CHANGELOG.md').read_text())


def test_changelog_begins_with_this_version():
    assert releases()[0][0] == mmuda.__version__


def test_changelog_goes_back_in_order():
    versions = [Version(version) for version, _ in releases()]
    dates = [datetime.date.fromisoformat(date) for _, date in releases()]
    assert len(versions) > 1
    assert versions == sorted(set(versions), reverse=True)
    assert dates == sorted(dates, reverse=True)


def test_each_release_says_what_it_brings():
    parts = HEADING.split((ROOT / 'CHANGELOG.md').read_text())[3::3]
    assert [len(re.findall('^- ', p, re.M)) > 0 for p in parts] == [
        True for _ in releases()
    ]


def test_a_release_says_each_thing_once():
    things = re.compile(r'\]\(([^)]+)\)|`(tools/[^`]+|mmuda\.[\w.]+)`')
    for part in HEADING.split((ROOT / 'CHANGELOG.md').read_text())[3::3]:
        named = []
        for line in re.findall('^- .*', part, re.M):
            named += {a or b for a, b in things.findall(line)}
        assert len(named) > 2
        assert [name for name in named if named.count(name) > 1] == []


def test_security_names_the_servers_that_configs_fetch_from():
    hosts = re.compile(r"^[^#\n]*'https://([^/']+)/", re.M)
    fetched = set()
    for path in (ROOT / 'configs').rglob('*.py'):
        fetched |= {*hosts.findall(path.read_text())}
    _, outwards = (ROOT / 'SECURITY.md').read_text().split('## What goes out')
    named = re.findall(r'`([\w.-]+\.com)`', outwards)
    assert fetched == {*named}


def test_citation_is_of_the_newest_release(citation):
    version, date = releases()[0]
    assert citation['version'] == version
    assert citation['date-released'] == date


def test_citation_has_what_its_format_requires(citation):
    assert citation['cff-version'] == '1.2.0'
    for entry in (citation, *citation['references']):
        assert entry['title']
        for author in entry['authors']:
            assert author.keys() in ({'name'}, {'family-names', 'given-names'})
    assert citation['message']
    types = {entry['type'] for entry in citation['references']}
    assert types <= {'conference-paper', 'article', 'software'}


def test_citation_has_the_licence_of_the_package(citation):
    text = (ROOT / 'pyproject.toml').read_text()
    assert f'license = "{citation["license"]}"' in text
