const HEX = /^#[0-9a-f]{6}$/i;

/** Colours the page with the customer's colour, and its text with whichever of light and dark reads better on it. */
export function applyAccent(color: unknown): void {
  if (typeof color !== "string" || !HEX.test(color)) return;
  const { style } = document.documentElement;
  style.setProperty("--accent", color);
  style.setProperty("--on-accent", luminanceOf(color) > 0.179 ? "#111715" : "#ffffff");
}

function luminanceOf(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => linear(parseInt(color.slice(at, at + 2), 16) / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function linear(channel: number): number {
  return channel <= 0.03928 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
}
