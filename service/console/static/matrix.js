// The boxes of a role: rows and columns are ticked at once, sections are searched while one types, and the bar counts along.
// Without it the same buttons send the form, and come back with everything that was typed.

const form = document.querySelector("form[data-matrix]");
const boxes = [...form.querySelectorAll('input[name="right"]')];
const buttons = [...form.querySelectorAll('button[name="whole"]')];
const rows = [...form.querySelectorAll("tbody tr")];

// What a button ticks: what can be ticked, and is not hidden by the search.
function concerned(button) {
  return boxes.filter((box) => {
    if (box.disabled || box.closest("tr").hidden) return false;
    return button.value === box.dataset.row || button.value === box.dataset.column;
  });
}

function tell() {
  for (const button of buttons) {
    const mine = concerned(button);
    const whole = mine.length > 0 && mine.every((box) => box.checked);
    button.querySelector("[data-word]").textContent = whole ? button.dataset.none : button.dataset.all;
  }
  const counts = {
    ticked: boxes.filter((box) => box.checked).length,
    added: boxes.filter((box) => box.checked && !("was" in box.dataset)).length,
    removed: boxes.filter((box) => !box.checked && "was" in box.dataset).length,
  };
  for (const part of form.querySelectorAll("[data-count]")) part.textContent = counts[part.dataset.count];
}

form.addEventListener("click", (event) => {
  const button = event.target.closest('button[name="whole"]');
  if (!button) return;
  event.preventDefault();
  const mine = concerned(button);
  const whole = mine.every((box) => box.checked);
  for (const box of mine) box.checked = !whole;
  tell();
});
form.addEventListener("change", tell);

const search = form.querySelector("[data-search]");
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function filter() {
  const wanted = plain(search.value.trim());
  for (const row of rows) row.hidden = !plain(row.querySelector("th").dataset.name).includes(wanted);
  for (const part of form.querySelectorAll("[data-part]")) part.hidden = !part.querySelector("tbody tr:not([hidden])");
  const found = rows.filter((row) => !row.hidden).length;
  const status = form.querySelector("[data-found]");
  status.textContent = wanted ? status.dataset.text.replace("{count}", found) : "";
  tell();
}

if (search) {
  search.closest(".field").hidden = false;
  search.addEventListener("input", filter);
  // The form is not what Enter is meant for here.
  search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
}
// A browser that goes back fills in what was ticked.
addEventListener("pageshow", tell);
