// Opens a page in Chromium as people would, and prints what it found as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, browserPath, page, out] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf-8");

const args = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const browser = await chromium.launch({ executablePath: browserPath, args });

const opened = async (options, seen) => {
  const context = await browser.newContext({ bypassCSP: false, ...options });
  const tab = await context.newPage();
  tab.on("request", (request) => seen.requests.push(request.url()));
  tab.on("console", (message) => seen.console.push(message.text()));
  tab.on("pageerror", (error) => seen.console.push(String(error)));
  tab.on("dialog", (dialog) => { seen.dialogs.push(dialog.message()); dialog.dismiss(); });
  await tab.goto(page);
  return tab;
};

const table = async (tab, id) => tab.evaluate((id) => {
  const rows = [...document.querySelectorAll(`#${id} ~ * table.data tbody tr, section[aria-labelledby="${id}"] table.data tbody tr`)];
  return [...new Set(rows)].filter((row) => !row.hidden).map((row) => [...row.cells].map((cell) => cell.textContent));
}, id);

const seen = { requests: [], console: [], dialogs: [] };
const found = { looks: {}, seen };
for (const [name, options] of Object.entries({
  phone: { viewport: { width: 390, height: 844 } },
  desk: { viewport: { width: 1280, height: 900 } },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
})) {
  const tab = await opened(options, seen);
  await tab.screenshot({ path: `${out}/${name}.png` });
  // evaluate() runs outside of the page's own world: its policy need not allow axe.
  const violations = await tab.evaluate(async (source) => {
    new Function(source)();
    const result = await window.axe.run(document, { resultTypes: ["violations"] });
    return result.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200)).join(" | ")}`);
  }, axe).catch((error) => [String(error)]);
  found.looks[name] = { violations, width: await tab.evaluate(() => document.documentElement.scrollWidth) };
  await tab.context().close();
}

const desk = await opened({ viewport: { width: 1280, height: 900 } }, seen);
const section = desk.locator('section[aria-labelledby="denied"]');
const button = section.getByRole("button", { name: "requests" });
found.asPrinted = await table(desk, "denied");
await button.click();
found.ascending = await table(desk, "denied");
found.sorted = await section.locator("th[aria-sort]").evaluateAll((heads) => heads.map((h) => h.getAttribute("aria-sort")));
await button.focus();
await desk.keyboard.press("Enter");
found.descending = await table(desk, "denied");
await section.getByRole("searchbox").fill("script");
found.filtered = await table(desk, "denied");
found.status = await section.getByRole("status").textContent();
await section.getByRole("searchbox").fill("");
found.all = await table(desk, "denied");
await desk.pdf({ path: `${out}/print.pdf`, preferCSSPageSize: true });

const plain = await opened({ viewport: { width: 1280, height: 900 }, javaScriptEnabled: false }, seen);
found.plainText = (await plain.locator("main").innerText()).length;
found.plainControls = await plain.locator("input, button").count();

await browser.close();
console.log(JSON.stringify(found));
