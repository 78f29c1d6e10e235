/** The ref of a first line that replaces what had the focus; what is outside our frame keeps its own. */
export const takeFocus = (line: HTMLElement | null) => {
  if (document.hasFocus()) line?.focus();
};
