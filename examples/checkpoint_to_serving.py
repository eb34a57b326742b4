"""From a checkpoint to a server: export, inspect, serve, call, and a second version as a canary.

python examples/checkpoint_to_serving.py --model my_model
"""

import argparse
import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import local

import tfmlm
from tfmlm.cli.main import main

CONFIG = """model_config_list {{
  config {{
    name: "mlm"
    base_path: "{base_path}"
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
    version_labels {{ key: "stable" value: 1 }}
    version_labels {{ key: "canary" value: 2 }}
  }}
}}
"""

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="name on the Hub, or a checkpoint folder")
parser.add_argument("--output_dir", default=str(local.FOLDER / "serving"))
args = parser.parse_args()
name = args.model or local.small_model()
folder = Path(args.output_dir)
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)
mask = tfmlm.load_tokenizer(name).mask_token
text = f"This function {mask} a value."

# 1. Two versions of the export; the second answers with three words instead of five.
tfmlm.export_saved_model(name, None, folder / "mlm")
tfmlm.export_saved_model(name, None, folder / "mlm", top_k=3)
main(["inspect", str(folder / "mlm" / "1")])

# 2. A server; `tensorflow_model_server` takes the same flags and the same file.
config = folder / "models.config"
config.write_text(CONFIG.format(base_path=(folder / "mlm").resolve()), encoding="utf-8")
ports = local.free_ports(2)
command = [sys.executable, "-m", "tfmlm", "serve", f"--model_config_file={config}", "--json"]
command += [f"--port={ports[0]}", f"--rest_api_port={ports[1]}"]
server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
try:
    assert server.stdout is not None
    addresses = json.loads(server.stdout.readline())  # printed when the models are loaded
    url = f"{addresses['rest']}/v1/models/mlm"

    # 3. Called by anything that speaks HTTP: this is
    #    curl URL:predict -d '{"instances": ["This function [MASK] a value."]}'
    body = json.dumps({"instances": [text]}).encode()
    with urllib.request.urlopen(f"{url}/labels/stable:predict", body) as reply:
        prediction = json.load(reply)["predictions"][0]
    print("\nREST, stable:  ", prediction["token_str"][0], prediction["filled"])

    # 4. By the clients, which need no TensorFlow; the label chooses the version.
    for label in ("stable", "canary"):
        with tfmlm.client.RestClient(f"{url}/labels/{label}") as client:
            words = [fill.token_str for fill in client.fill(text)]
        print(f"RestClient, {label}: {words}")
    with tfmlm.client.GrpcClient(f"127.0.0.1:{ports[0]}", "mlm", label="canary") as client:
        print("GrpcClient, canary:", [fill.token_str for fill in client.fill(text)])
finally:
    server.terminate()
    server.wait()
