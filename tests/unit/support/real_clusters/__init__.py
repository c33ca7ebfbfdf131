"""Clusters as their API lists them: managed ones and those that people install, shortened to what discovery reads.

Names, labels, annotations, flags and ConfigMaps are those of the products' manifests and documentation. catalogue.py
has all by name. clouds.py, alibaba_tencent_huawei.py and installed.py have a function for each; seeds.py and
two_nodes.py have the parts.
"""
