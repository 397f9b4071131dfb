"""Words of the glossary are those that the rest of the project uses."""

import re
from pathlib import Path

import pytest
from doc_pages import PAGES, text_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = 'docs/glossary.md'
ROW = re.compile(r'^\| ([^|]+) \| ([^|]+) \| (.+) \|$', re.M)
HEADS = {'term', '---'}
ROWS = [row for row in ROW.findall(text_of(PAGE)) if row[0] not in HEADS]
# What one row has two words for, each of which counts.
TERMS = [term for names, *_ in ROWS for term in names.split(', ')]


@pytest.fixture(scope='module')
def elsewhere():
    pages = [text_of(page) for page in PAGES if page != PAGE]
    code = [path.read_text() for path in (ROOT / 'mmuda').rglob('*.py')]
    joined = '\n'.join(pages + code).lower()
    return re.sub(r'[\s_-]+', ' ', joined)


def test_terms_are_found_and_stand_once():
    assert len(TERMS) > 60
    assert [term for term in TERMS if TERMS.count(term) > 1] == []


@pytest.mark.parametrize('term', TERMS)
def test_term_is_used_elsewhere(term, elsewhere):
    word = re.sub(r'[\s_-]+', ' ', term.lower())
    assert re.search(rf'\b{re.escape(word)}', elsewhere)


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row[0])
def test_term_leads_on(row):
    assert re.fullmatch(r'\[[^]]+\]\([^)]+\)', row[2])


def test_terms_that_the_field_knows_are_there():
    known = {
        *('source', 'target', 'UDA', 'pseudo-label', 'self-information'),
        *('teacher', 'EMA', 'mean teacher', 'logits', 'warm-up', 'oracle'),
        *('mIoU', 'mIoU16', 'mIoU13', 'RCS', 'ClassMix', 'crop'),
        *('feature distance', 'split list', 'ignore index'),
    }
    assert known - {*TERMS} == set()
