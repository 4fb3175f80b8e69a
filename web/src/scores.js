// The table of probabilities.

const MOST_ROWS = 10;

export function best(scores) {
  return scores.indexOf(Math.max(...scores));
}

/** Show what both models say; `alone` may be null. */
export function showScores(table, classes, { alone, behind }) {
  const columns = alone ? [alone, behind] : [behind];
  table.querySelector("thead .alone").hidden = !alone;
  const rows = shownClasses(classes, columns).map((index) => row(classes[index], index, columns));
  table.querySelector("tbody").replaceChildren(...rows);
}

/** All classes, or the likeliest of many. */
function shownClasses(classes, columns) {
  const indices = classes.map((_, index) => index);
  if (indices.length <= MOST_ROWS) return indices;
  const likelihood = (index) => Math.max(...columns.map((scores) => scores[index]));
  return indices.sort((p, q) => likelihood(q) - likelihood(p)).slice(0, MOST_ROWS);
}

function row(name, index, columns) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  line.append(head, ...columns.map((scores, column) => {
    const cell = document.createElement("td");
    cell.className = `bar ${column === columns.length - 1 ? "behind" : "alone"}`;
    cell.classList.toggle("best", best(scores) === index);
    cell.style.setProperty("--share", scores[index]);
    cell.textContent = `${(100 * scores[index]).toFixed(1)} %`;
    return cell;
  }));
  return line;
}

/** One sentence on what they say. */
export function verdict(classes, { alone, behind }) {
  const said = (scores) => `${classes[best(scores)]} (${(100 * Math.max(...scores)).toFixed(0)} %)`;
  if (!alone) return `Behind the transformer: ${said(behind)}.`;
  return `The CNN alone says ${said(alone)}, behind the transformer it says ${said(behind)}.`;
}
