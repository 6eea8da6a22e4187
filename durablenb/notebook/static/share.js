// The menu of a live view, which saves or copies what it shows. Python sends back a file or a text.
function shareMenu(view) {
  const shares = view.model.get("shares") ?? [];
  const box = make("div", "dnb-share", { "data-region": "share" });
  const menu = make("details", "");
  const opener = make("summary", "", { "aria-label": "save or copy", title: "save or copy" });
  const list = make("div", "dnb-shares", { role: "group", "aria-label": "save or copy" });
  const lines = shares.map(([id, words]) => {
    const line = make("button", "", { type: "button", "data-do": "share", "data-id": id });
    line.textContent = words;
    return line;
  });
  opener.textContent = "\u2913";
  list.append(...lines);
  menu.append(opener, list);
  box.append(menu);
  if (lines.length) view.root.append(box);
  for (const one of [opener, ...lines]) quiet(one);

  const close = () => {
    menu.open = false;
    opener.focus({ preventScroll: true });
  };
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && menu.open) close();
    else if (step && menu.open) lines.at((lines.indexOf(document.activeElement) + step) % lines.length)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !menu.contains(relatedTarget)) menu.open = false;
  });

  return async ({ file, type, content, copy }) => {
    if (file) {
      const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
      const link = make("a", "", { href: URL.createObjectURL(new Blob([bytes], { type })), download: file });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      view.say(`Saved as ${file}.`);
      close();
    } else if (copy) {
      try {
        await navigator.clipboard.writeText(copy);
        view.say("Copied.");
        close();
      } catch {
        showText(list, copy); // the browser lets nobody write to the clipboard
      }
    }
  };
}

function showText(list, text) {
  list.querySelector("textarea")?.remove();
  const field = make("textarea", "", { readonly: "", rows: "8", "aria-label": "text to copy" });
  field.value = text;
  quiet(field);
  list.append(field);
  field.focus();
  field.select();
}

