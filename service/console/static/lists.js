// A list that searches while one types: it asks for what its form says, and shows the part of the answer that is the list.
// Without it the form's button does the same.

const WAIT = 250;
// Names of those who are ticked and not in the list at this moment, by the values of their boxes.
const away = new Map();

function begin(form) {
  let waiting, asking;
  const part = document.getElementById(form.dataset.results);

  const search = async () => {
    asking?.abort();
    asking = new AbortController();
    const said = [...new FormData(form)].filter(([, value]) => value.trim());
    const address = `${form.getAttribute("action")}?${new URLSearchParams(said)}`;
    try {
      const answer = await fetch(address, { signal: asking.signal });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = fresh.getElementById(part.id);
      // The session is over, or the list cannot be shown: the page itself says why.
      if (!now) return location.assign(address);
      boxesIn(part).forEach(remember);
      const at = part.contains(document.activeElement) && document.activeElement;
      part.replaceChildren(...now.childNodes);
      tickAgain(part);
      const found = document.getElementById("found");
      if (found) found.textContent = fresh.getElementById("found")?.textContent ?? "";
      history.replaceState(null, "", address);
      offerAll();
      if (at) stayAt(at, part, form);
    } catch (error) {
      if (error.name !== "AbortError") form.submit();
    }
  };

  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, WAIT);
  });
}

// Whoever has gone on into the list stays where they were, or comes back to what they typed if that is not there any more.
function stayAt(at, part, form) {
  const same = [...part.querySelectorAll(at.localName)].find((each) => wordsOf(each) === wordsOf(at));
  (same ?? form.querySelector("input")).focus();
}

function wordsOf(element) {
  return [element.pathname, element.name, element.value, element.textContent].join(" ");
}

function boxesIn(part) {
  return [...part.querySelectorAll("tbody input[type=checkbox]")];
}

function remember(box) {
  if (box.checked) away.set(box.value, box.closest("tr").querySelector("th bdi").textContent);
}

// Whoever was ticked stays so: in the new rows, or beside them.
function tickAgain(part) {
  boxesIn(part).forEach((box) => (box.checked = away.delete(box.value)));
  const others = part.querySelector("[data-away]");
  if (!others || !away.size) return;
  others.hidden = false;
  others.querySelector("bdi").textContent = [...away.values()].join(", ");
  for (const value of away.keys()) {
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: others.dataset.away, value });
    others.append(field);
  }
}

// One box that ticks every row.
function offerAll() {
  const label = document.querySelector("[data-all]");
  if (!label) return;
  label.hidden = false;
  label.parentElement.querySelector("[data-none]")?.remove();
  const all = label.querySelector("input");
  const boxes = boxesIn(label.closest("form"));
  all.addEventListener("change", () => boxes.forEach((box) => (box.checked = all.checked)));
}

document.querySelectorAll("form[data-results]").forEach(begin);
offerAll();
