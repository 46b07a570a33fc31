"""What tests/cli/posterior.sh wrote: values, order, types and places. Run in its folder."""
import glob

import h5py
import numpy as np
import tifffile


def read(path):
    if path.endswith(".tif"):
        return tifffile.imread(path).astype(np.float64)
    with h5py.File(path) as f:
        return f["reconstruction"][...].astype(np.float64)


lows = sorted(glob.glob("q05_*"))
assert len(lows) >= 40, lows
for low in lows:
    a, b, mean = read(low), read(low.replace("q05_", "q95_")), read(low.replace("q05_", ""))
    assert all(np.isfinite(v).all() for v in (a, b, mean)), low
    assert (a <= b).all() and mean.shape == a.shape == b.shape, low

# shares are shares, fall with the threshold, and agree with quantiles: half of six draws are above
# 110 wherever the median is, which lies between the third and the fourth
low, high, median = read("above110.tif"), read("above130.tif"), read("run2_q50.tif")
assert np.allclose(low * 6, np.round(low * 6), atol=1e-5) and low.min() >= 0 and low.max() <= 1
assert (high <= low).all() and 0 < high.mean() < low.mean() < 1, (low.mean(), high.mean())
assert (low[median > 110.5] >= 0.5 - 1e-6).all() and (low[median < 109.5] <= 0.5 + 1e-6).all()
assert (read("ess.tif") == 6).all()
assert (read("sd.tif") > 0).all() and (read("q97.5.tif") >= median).all()

# a value for each region, of which the report names the worst
rhat, ess = read("rhat.tif"), read("walk_ess.tif")
assert rhat.min() > 0.5 and 0 < ess.min() and len(np.unique(rhat)) > 4
report = open("walk.json").read()
worst = float(report.split('"worst_rhat":')[1].split(",")[0])
least = float(report.split('"min_ess":')[1].split(",")[0])
assert np.isclose(worst, rhat.max()) and np.isclose(least, ess.min()), (worst, rhat.max(), least)

# maps are float32 on the axes of the mean
for name in ("above", "ess", "sd"):
    with tifffile.TiffFile(f"{name}/stack.ome.tif") as product, tifffile.TiffFile(
        "out/stack.ome.tif"
    ) as mean:
        a, b = product.series[0], mean.series[0]
        assert a.axes == b.axes and a.shape == b.shape and a.dtype == np.float32, (name, a.axes)

with h5py.File("mean.h5") as f:
    mean, attributes = f["reconstruction"][...], dict(f["reconstruction"].attrs)
assert attributes["draws"] == 8 and 0 < attributes["chi2"] < 1e3, attributes
share, rhat, sd = read("mabove.h5"), read("mrhat.h5"), read("msd.h5")
assert share.shape == mean.shape == (3, 40, 32) and 0 <= share.min() and share.max() <= 1
assert np.allclose(share * 8, np.round(share * 8), atol=1e-5)
assert share[mean > 0.4].mean() > 0.9 and share[mean < 0.05].mean() < 0.1, "unit or orientation"
seen = mean > 0
told = np.isfinite(rhat)
assert (rhat[told] > 0.5).all() and (sd[seen] > 0).all() and np.isfinite(sd).all()
assert told.sum() > 0.7 * seen.sum(), "R-hat is missing"
blocks = [slice(k, k + 8) for k in range(0, 40, 8)]
for z in range(3):
    for y in blocks:
        for x in blocks[:4]:  # all of a region or nothing, by the values of the image
            t, s = told[z, y, x], seen[z, y, x]
            assert (t == (s if s.mean() >= 0.5 else False)).all(), (z, y, x)
assert (read("mq25.h5") <= read("mq75.h5")).all()
head = [open(f"{name}.nii", "rb").read(352) for name in ("mean", "mabove", "mrhat")]
assert head[0][40:56] == head[1][40:56] == head[2][40:56] and head[0][280:328] == head[1][280:328]
