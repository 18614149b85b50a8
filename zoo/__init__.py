"""How anomalous does one system find this clip?"""
