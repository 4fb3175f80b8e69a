// Rows of a name, a slider and its value.

/** Add a slider to a list; `changed` is called with its value when a user moves it. */
export function addSlider(list, { name, unit = "", step = 1, digits = 0 }, changed) {
  const label = document.createElement("label");
  const title = document.createElement("span");
  const input = document.createElement("input");
  const output = document.createElement("output");
  title.textContent = name;
  Object.assign(input, { type: "range", name, step });
  label.append(title, input, output);
  list.append(label);
  const slider = {
    label,
    get value() { return Number(input.value); },
    set value(value) {
      input.value = value;
      output.textContent = Number(value).toFixed(digits) + unit;
    },
    setRange([least, most, start]) {
      Object.assign(input, { min: least, max: most });
      slider.value = start;
    },
  };
  input.addEventListener("input", () => {
    slider.value = input.value;
    changed(slider.value);
  });
  return slider;
}
