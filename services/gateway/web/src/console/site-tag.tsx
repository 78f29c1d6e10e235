import { useRef, useState } from "preact/hooks";

import { Button } from "../shared/ui/button";

/** What a customer puts into the pages of a site, and nothing else: the chat is there then. */
export function SiteTag({ siteKey }: { siteKey: string }) {
  const [said, setSaid] = useState("");
  const shown = useRef<HTMLElement>(null);
  const tag = `<script async src="${location.origin}/widget/v1/loader.js" data-site="${siteKey}"></script>`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(tag);
      setSaid("Copied");
    } catch {
      // Not every browser lets a page do that: selected, it is one key away.
      if (shown.current) getSelection()?.selectAllChildren(shown.current);
      setSaid("Selected: copy it with your browser");
    }
  };
  return (
    <div class="site-tag">
      <p>This line, in every page that should have the chat, is all it takes:</p>
      <pre>
        <code ref={shown} data-testid="site-tag">
          {tag}
        </code>
      </pre>
      <div class="site-tag-foot">
        <Button look="quiet" data-testid="copy-tag" onClick={() => void copy()}>
          Copy
        </Button>
        <span role="status" data-testid="tag-copied">
          {said}
        </span>
      </div>
    </div>
  );
}
