"""Small documents for the command line's tests."""

WORKSPACE = """
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: NAME}
resource: {instanceType: x, labelSelector: {}}
tuning:
  preset: {name: tiny}
  method: lora
  config: CONFIG
  input: {urls: ["https://data.example.com/rows.jsonl"]}
  output: {image: registry.example.com/adapter, imagePushSecret: push}
"""
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: mine}
data: {training_config.yaml: "training_config: {LoraConfig: {r: R}}"}
"""


def workspace(name: str = "w", config: str = "lora-params-template") -> str:
    return WORKSPACE.replace("NAME", name).replace("CONFIG", config)
