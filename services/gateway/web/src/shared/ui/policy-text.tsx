import { type ComponentChildren, Fragment } from "preact";

const HEADING = /^#{1,6}\s+/;
const ITEM = /^(?:[-*]|\d+[.)])\s+/;
const EMPHASIS = /(\*\*[^*]+\*\*|\*[^*]+\*)/;

/** The policy as its authors wrote it: headings, paragraphs, lists and emphasis. Everything else is shown as typed. */
export function PolicyText({ text }: { text: string }) {
  const blocks = text.trim().split(/\n\s*\n/);
  return (
    <>
      {blocks.map((block, index) => (
        <Block key={index} lines={block.split("\n")} />
      ))}
    </>
  );
}

function Block({ lines }: { lines: string[] }) {
  const [first = ""] = lines;
  if (HEADING.test(first)) {
    return (
      <>
        <h3>{inline(first.replace(HEADING, ""))}</h3>
        {lines.length > 1 && <Block lines={lines.slice(1)} />}
      </>
    );
  }
  if (!ITEM.test(first)) return <p>{inline(lines.join(" "))}</p>;
  const List = /^\d/.test(first) ? "ol" : "ul";
  return (
    <List>
      {itemsOf(lines).map((item) => (
        <li key={item}>{inline(item)}</li>
      ))}
    </List>
  );
}

/** A line that begins no item goes on with the one before. */
function itemsOf(lines: readonly string[]): string[] {
  return lines.reduce<string[]>((items, line) => {
    if (ITEM.test(line)) return [...items, line.replace(ITEM, "")];
    return [...items.slice(0, -1), `${items.at(-1)} ${line.trim()}`];
  }, []);
}

function inline(text: string): ComponentChildren {
  return text.split(EMPHASIS).map((part, index) => {
    if (part.startsWith("**") && part.length > 4) return <strong key={index}>{part.slice(2, -2)}</strong>;
    if (part.startsWith("*") && part.length > 2) return <em key={index}>{part.slice(1, -1)}</em>;
    return <Fragment key={index}>{part}</Fragment>;
  });
}
