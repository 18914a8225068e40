"""Kernels have the moments of the shapes they stand for; geometry puts points where it says."""

from __future__ import annotations

import numpy as np
import pytest

from facerecon.degradation import optics


def moments(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (x, y) under a kernel, y upward, relative to its middle."""
    half = kernel.shape[0] // 2
    y, x = np.mgrid[half : -half - 1 : -1, -half : half + 1]
    points = np.stack([x.ravel(), y.ravel()])
    mean = points @ kernel.ravel()
    centred = points - mean[:, None]
    return mean, (centred * kernel.ravel()) @ centred.T


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.3, 6.0])
def test_the_disc_has_the_second_moment_of_a_disc(radius: float) -> None:
    kernel = optics.disc_kernel(radius)
    mean, covariance = moments(kernel)
    assert kernel.sum() == pytest.approx(1)
    assert mean == pytest.approx([0, 0], abs=1e-9)
    # A disc has r^2/4 on each axis; putting its area into whole pixels moves that by up to 1/6.
    assert covariance[0, 0] == pytest.approx(radius**2 / 4, abs=1 / 6)
    assert covariance == pytest.approx(np.diag([covariance[0, 0]] * 2), abs=1e-9)


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120])
@pytest.mark.parametrize("length", [5.0, 9.0, 15.4])
def test_motion_spreads_along_its_direction_and_not_across(length: float, angle: float) -> None:
    kernel = optics.motion_kernel(length, angle)
    mean, covariance = moments(kernel)
    along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    across = np.array([-along[1], along[0]])
    assert kernel.sum() == pytest.approx(1)
    assert mean == pytest.approx([0, 0], abs=1e-9)
    # A uniform segment has L^2/12 along and 0 across; bilinear spreading adds at most 1/4 to either.
    assert 0 <= along @ covariance @ along - length**2 / 12 <= 0.3
    assert 0 <= across @ covariance @ across <= 0.25
    assert (kernel >= 0).all()


def test_blur_of_a_point_has_the_sigma_asked_for() -> None:
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1
    _, covariance = moments(np.asarray(optics.gaussian_blur(point, 2.5), np.float64).reshape(41, 41))
    assert covariance == pytest.approx(np.diag([6.25, 6.25]), rel=0.02)
    assert optics.gaussian_blur(point, 0) is point


def test_convolution_of_a_point_is_the_kernel_itself_not_its_mirror() -> None:
    kernel = np.zeros((5, 5))
    kernel[0, 1], kernel[3, 4] = 0.75, 0.25
    point = np.zeros((21, 21, 3), np.float32)
    point[10, 10] = 1
    assert optics.convolve(point, kernel)[8:13, 8:13, 0] == pytest.approx(kernel)


def test_rigid_keeps_distances_and_turns_counter_clockwise() -> None:
    matrix = optics.rigid(90, 3, -2, (10, 20))
    right_of_centre = matrix @ [15, 20, 1]
    assert matrix @ [10, 20, 1] == pytest.approx([13, 18])
    assert right_of_centre == pytest.approx([13, 13])  # up, in pixels: smaller y


def test_reduction_maps_corners_to_corners() -> None:
    matrix = optics.reduction((250, 200), (60, 48))
    assert matrix @ [-0.5, -0.5, 1] == pytest.approx([-0.5, -0.5])
    assert matrix @ [249.5, 199.5, 1] == pytest.approx([59.5, 47.5])


def test_reduction_keeps_the_mean_light() -> None:
    picture = np.random.default_rng(1).random((250, 200, 3)).astype(np.float32)
    assert optics.reduced(picture, 48, 60).mean(axis=(0, 1)) == pytest.approx(picture.mean(axis=(0, 1)), abs=1e-4)
