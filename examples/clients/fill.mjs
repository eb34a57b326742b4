// Fills masks through TensorFlow Serving's REST interface; Node 18 or later, nothing to install.
//   node examples/clients/fill.mjs [http://localhost:8501/v1/models/mlm]

const model = process.argv[2] ?? "http://localhost:8501/v1/models/mlm";

/**
 * The candidates for every mask of every text.
 * @param {string[]} texts
 * @param {number} topK candidates for each mask
 * @returns {Promise<{score: number, token: number, word: string, sequence: string}[][][]>} [text][mask][candidate]
 */
async function fill(texts, topK) {
  const response = await fetch(`${model}:predict`, {
    method: "POST",
    body: JSON.stringify({
      signature_name: "fill_mask_top_k",
      inputs: { text: texts, top_k: texts.map(() => topK) },
    }),
    signal: AbortSignal.timeout(30_000),
  });
  const reply = await response.json();
  if (!response.ok) throw new Error(`${response.status}: ${reply.error}`);
  const out = reply.outputs;
  return texts.map((_, row) =>
    out.token[row].slice(0, out.mask_count[row]).map((tokens, mask) =>
      tokens
        .map((token, k) => ({
          score: out.score[row][mask][k],
          token,
          word: out.token_str[row][mask][k],
          sequence: out.sequence[row][mask][k],
        }))
        .filter((candidate) => candidate.token >= 0), // padding
    ),
  );
}

const texts = ["Paris is the [MASK] of France.", "The [MASK] of the [MASK]."];
for (const [row, masks] of (await fill(texts, 3)).entries()) {
  console.log(texts[row]);
  for (const candidates of masks) {
    console.log("  " + candidates.map((c) => `${c.word} ${c.score.toFixed(3)}`).join(", "));
  }
}
