import json

import pytest

from services.gateway.assets import Assets, NotBuilt


def test_a_page_loads_its_script_and_the_styles_of_all_it_imports(tmp_path):
    (tmp_path / ".vite").mkdir()
    manifest = {
        "src/widget/main.ts": {"file": "assets/widget-1.js", "css": ["assets/widget-1.css"], "imports": ["_shared.js"]},
        "_shared.js": {"file": "assets/shared-1.js", "css": ["assets/shared-1.css"], "imports": ["_shared.js"]},
        "src/console/main.tsx": {"file": "assets/console-1.js", "isEntry": True},
    }
    (tmp_path / ".vite" / "manifest.json").write_text(json.dumps(manifest))
    page = Assets(tmp_path).page("widget")
    assert page.scripts == ["assets/widget-1.js"]
    assert page.styles == ["assets/widget-1.css", "assets/shared-1.css"]
    assert Assets(tmp_path).page("console").scripts == ["assets/console-1.js"]


def test_what_is_not_built_is_said(tmp_path):
    with pytest.raises(NotBuilt):
        Assets(tmp_path).page("widget")
    with pytest.raises(NotBuilt):
        Assets(tmp_path).loader()
