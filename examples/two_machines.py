"""One training run on two workers, here both on this machine: MultiWorkerMirroredStrategy.

On two machines the same command runs on each, with its own number in TF_CONFIG.

python examples/two_machines.py --model distilroberta-base --text my.txt
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import local

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="name on the Hub, or a checkpoint folder")
parser.add_argument("--text", help="text file, a paragraph a line")
parser.add_argument("--max_steps", type=int, default=10)
parser.add_argument("--output_dir", default=str(local.FOLDER / "two-machines"))
args = parser.parse_args()
name = args.model or local.small_model()
text = args.text or local.text_file("two_machines.txt", 300)

# Free ports of this machine; on real ones, host names and any port.
workers = [f"127.0.0.1:{port}" for port in local.free_ports(2)]

command = [sys.executable, "-m", "tfmlm", "train", "--strategy", "multi_worker"]
command += ["--model_name_or_path", name, "--train_file", text, "--line_by_line"]
command += ["--max_seq_length", "48", "--max_steps", str(args.max_steps)]
command += ["--output_dir", args.output_dir, "--overwrite_output_dir"]
processes = []
for index in range(len(workers)):
    cluster = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
    environment = {**os.environ, "TF_CONFIG": json.dumps(cluster)}
    processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
codes = [process.wait() for process in processes]
if any(codes):
    sys.exit(f"the workers ended with {codes}")
results = json.loads((Path(args.output_dir) / "all_results.json").read_text(encoding="utf-8"))
print(f"two workers, perplexity {results['perplexity']:.2f}, checkpoint in {args.output_dir}")
