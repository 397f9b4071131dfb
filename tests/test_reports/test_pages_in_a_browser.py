"""Pages in a real browser."""

import headless_browser
from test_run_report import EVIL, draw, write_training
from test_training_samples import write_page

from mmuda.reports.html_pages import figure_html, page_html
from mmuda.reports.run_report import write_report

pytestmark = headless_browser.NEEDED


def test_a_report_in_a_browser(tmp_path):
    words = 200 * 'long'
    write_training(tmp_path, evil=EVIL, long=words, **{words: 1})
    draw(tmp_path, 'iter_60_source.png', (120, 1500))
    headless_browser.check(write_report(tmp_path), tmp_path)


def test_faults_of_a_page_are_seen(tmp_path):
    page = tmp_path / 'page.html'
    wide = '<div style="width: 500px">wide</div><script></script>'
    page.write_text(page_html('t', [figure_html('data:,', 'none'), wide]))
    found = headless_browser.measured(page, tmp_path)
    expected = dict(images=1, broken=1, screen=400, scripts=2)
    assert {name: found[name] for name in expected} == expected
    assert found['page'] > 400
    # The page's policy lets no script run, and says so.
    page.write_text(page_html('t', ['<script>1</script>']))
    assert len(headless_browser.messages(page, tmp_path)) == 1


def test_samples_in_a_browser(tmp_path):
    headless_browser.check(write_page(tmp_path)[-1], tmp_path)
