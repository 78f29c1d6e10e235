import type { PageNote, SizeNote } from "../shared/embedding";

const LAUNCHER_PX = 76;
const MARGIN_PX = 12;
const SMALL_SCREEN_PX = 480;
const LONGEST = { url: 2_000, title: 300 };
const FRAME_MARK = "data-velaro";

/**
 * Puts the chat frame on the page: fixed, so that nothing moves; small until the visitor opens it.
 * Everything else happens inside the frame, on our origin. Nothing is stored.
 */
export function embed(script: HTMLScriptElement, window: Window): HTMLIFrameElement | null {
  const { document } = window;
  const siteKey = script.getAttribute("data-site");
  if (!siteKey || document.querySelector(`iframe[${FRAME_MARK}]`)) return null;
  const { origin } = new URL(script.src);
  const frame = document.createElement("iframe");
  let size: SizeNote = { velaro: 1, type: "size", is_open: false, width: LAUNCHER_PX, height: LAUNCHER_PX };

  const place = () => layOut(frame, size, window);
  const sendPage = () => frame.contentWindow?.postMessage(pageOf(window), origin);

  frame.setAttribute(FRAME_MARK, "");
  frame.title = script.getAttribute("data-title") || "Live support";
  // The frame learns this page's origin from its referrer, whatever the page's own policy is.
  frame.referrerPolicy = "origin";
  frame.src = `${origin}/widget/v1/frame?site=${encodeURIComponent(siteKey)}`;
  frame.addEventListener("load", sendPage);
  window.addEventListener("resize", place);
  // A page may become another one without being loaded.
  window.addEventListener("popstate", sendPage);
  (window as Navigating & Window).navigation?.addEventListener("navigatesuccess", sendPage);
  window.addEventListener("message", (event) => {
    if (event.origin !== origin || event.source !== frame.contentWindow || !isSizeNote(event.data)) return;
    size = event.data;
    place();
    // The visitor may have moved on since the frame was loaded.
    sendPage();
  });
  place();
  document.body.appendChild(frame);
  return frame;
}

/** What newer browsers tell of every change of the address. */
interface Navigating {
  navigation?: EventTarget;
}

export function isSizeNote(data: unknown): data is SizeNote {
  if (typeof data !== "object" || data === null) return false;
  const note = data as Partial<SizeNote>;
  return note.velaro === 1 && note.type === "size" && typeof note.is_open === "boolean" && isLength(note.width) && isLength(note.height);
}

function isLength(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value <= 2_000;
}

function pageOf(window: Window): PageNote {
  const { document, location } = window;
  // What follows the # stays on the page: it is not sent to servers, and at times holds secrets.
  const url = location.href.split("#")[0] as string;
  return {
    velaro: 1,
    type: "page",
    page: { url: url.slice(0, LONGEST.url), title: document.title.slice(0, LONGEST.title), referrer: document.referrer.slice(0, LONGEST.url) },
  };
}

function layOut({ style }: HTMLIFrameElement, { is_open, width, height }: SizeNote, window: Window): void {
  const isFull = is_open && window.innerWidth <= SMALL_SCREEN_PX;
  const margin = isFull ? 0 : MARGIN_PX;
  const rules: Record<string, string> = {
    position: "fixed",
    display: "block",
    inset: "auto",
    right: `${margin}px`,
    bottom: `${margin}px`,
    width: isFull ? "100%" : `${width}px`,
    height: isFull ? "100%" : `${height}px`,
    "max-width": isFull ? "none" : `calc(100vw - ${2 * margin}px)`,
    "max-height": isFull ? "none" : `calc(100vh - ${2 * margin}px)`,
    "min-width": "0",
    "min-height": "0",
    opacity: "1",
    margin: "0",
    padding: "0",
    border: "0",
    "border-radius": is_open && !isFull ? "16px" : "0",
    "box-shadow": is_open && !isFull ? "0 8px 40px rgba(15, 25, 22, .22)" : "none",
    background: "transparent",
    // As the frame's own document says: a page in another scheme would paint a box behind the launcher.
    "color-scheme": "normal",
    "z-index": "2147483000",
  };
  // The page's own styles for iframes must not win.
  for (const name in rules) style.setProperty(name, rules[name] as string, "important");
}
