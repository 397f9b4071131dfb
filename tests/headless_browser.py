"""Pages opened in a real browser without a screen, where one is installed.

``apt install chromium-headless-shell``, or any Chromium or Chrome.
"""

import html
import json
import re
import shutil
import subprocess

import pytest

NAMES = (
    *('chromium-headless-shell', 'chromium', 'chromium-browser'),
    *('google-chrome', 'google-chrome-stable', 'chrome'),
)
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
NEEDED = pytest.mark.skipif(PROGRAM is None, reason='there is no Chromium')
# Pages themselves allow no script; a copy of one gets this.
_POLICY = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')
_SCRIPT = """<script>addEventListener('load', () => {
  for (const d of document.querySelectorAll('details')) d.open = true;
  const images = [...document.images];
  const result = JSON.stringify({
    images: images.length,
    broken: images.filter(i => !i.complete || !i.naturalWidth).length,
    page: document.documentElement.scrollWidth,
    screen: window.innerWidth,
    scripts: document.scripts.length,
  });
  document.body.innerHTML = '<pre id="result"></pre>';
  document.getElementById('result').textContent = result;
});</script>"""


def run(page, folder, *options, width=400):
    """Open a page; return what the browser writes to both streams."""
    words = [
        *(PROGRAM, '--headless', '--no-sandbox', '--disable-gpu'),
        *('--hide-scrollbars', '--enable-logging=stderr'),
        *(f'--user-data-dir={folder}/profile', f'--window-size={width},900'),
        *(*options, page.resolve().as_uri()),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def measured(page, folder, width=400):
    """Images, widths and scripts of a page with all details unfolded."""
    copy = folder / f'measured_{page.name}'
    text, found = _POLICY.subn('', page.read_text())
    assert found == 1
    copy.write_text(text.replace('</head>', f'{_SCRIPT}</head>'))
    dom, _ = run(copy, folder, '--dump-dom', width=width)
    match = re.search('<pre id="result">({.*?})</pre>', dom)
    return json.loads(html.unescape(match[1]))


def messages(page, folder):
    """What the page itself, as it is, makes the console say."""
    _, log = run(page, folder, f'--screenshot={folder}/page.png')
    assert (folder / 'page.png').stat().st_size > 1000
    return [line for line in log.splitlines() if 'CONSOLE' in line]


def check(page, folder):
    """A page has no faults, on a telephone and on a screen."""
    assert messages(page, folder) == []
    for width in (400, 1200):
        found = measured(page, folder, width)
        assert found['screen'] == width
        assert found['page'] <= width
        assert found['images'] > 0
        assert found['broken'] == 0
        # The one that measures.
        assert found['scripts'] == 1
