// A row of buttons of which one is chosen, by pointer or arrow keys.

/** Fill a radio group with [name, title]; `chosen` is called with the name. */
export function addChoices(group, names, chosen) {
  const buttons = names.map(([name, title]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.dataset.name = name;
    button.setAttribute("role", "radio");
    button.addEventListener("click", () => choose(button));
    return button;
  });
  group.append(...buttons);
  moveByArrows(buttons, choose);

  function mark(name) {
    for (const button of buttons) {
      const isChosen = button.dataset.name === name;
      button.setAttribute("aria-checked", isChosen);
      button.tabIndex = isChosen ? 0 : -1;
    }
  }

  function choose(button) {
    mark(button.dataset.name);
    chosen(button.dataset.name);
  }

  mark(names[0][0]);
}

/** Let arrow keys go from one to the next, around the end. */
export function moveByArrows(elements, choose) {
  elements.forEach((element, index) => {
    element.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = elements[(index + step + elements.length) % elements.length];
      next.focus();
      choose(next);
    });
  });
}
