"""Classify face crops that are already numpy arrays.

python examples/classify_crops.py demo-output/bundle face1.png face2.png
"""

import sys
from pathlib import Path

import cv2

from fsrfer.runtime import open_bundle

bundle, *pictures = sys.argv[1:]
crops = [cv2.cvtColor(cv2.imread(picture), cv2.COLOR_BGR2RGB) for picture in pictures]  # any sizes, uint8, RGB
with open_bundle(Path(bundle)) as classifier:
    predictions = classifier.classify(crops)
for index, picture in enumerate(pictures):
    print(picture, predictions.label_of(index), f"{predictions.confidence[index]:.2f}")
