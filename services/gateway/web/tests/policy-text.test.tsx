import { render } from "preact";
import { describe, expect, it } from "vitest";

import { PolicyText } from "../src/shared/ui/policy-text";

function shown(text: string): string {
  const root = document.createElement("div");
  render(<PolicyText text={text} />, root);
  return root.innerHTML;
}

describe("the text of the policy", () => {
  it("has headings, paragraphs, lists and emphasis", () => {
    expect(shown("# Privacy\n\nWe *believe*\nin it.")).toBe("<h3>Privacy</h3><p>We <em>believe</em> in it.</p>");
    expect(shown("- **One** thing\n  and more\n- two")).toBe("<ul><li><strong>One</strong> thing and more</li><li>two</li></ul>");
    expect(shown("1. first;\n2. second")).toBe("<ol><li>first;</li><li>second</li></ol>");
  });

  it("shows markup as the characters it is made of", () => {
    expect(shown("<b>x</b> ** [a](javascript:b)")).toBe("<p>&lt;b&gt;x&lt;/b&gt; ** [a](javascript:b)</p>");
  });
});
