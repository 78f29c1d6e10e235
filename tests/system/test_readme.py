"""What the README tells a newcomer to type does what it says."""

import re
import subprocess

from deploy.local import demo
from deploy.local.instance import REPOSITORY
from deploy.local.stack import Stack


def curl_session() -> str:
    [block] = re.findall(r"```bash\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    return str(block)


def test_the_curl_calls_lead_from_a_visit_to_a_sealed_transcript(stack: Stack) -> None:
    demo.seed(stack.instance)
    script = curl_session().replace("http://localhost:8080", stack.instance.base_url)
    script = script.replace("var/", f"{stack.instance.root}/")
    result = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Let me look.") >= 2
    assert '"captured"' in result.stdout
    assert "An order" in result.stdout
