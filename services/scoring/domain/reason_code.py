"""Decides which at most four reasons are told: why the score is not higher, or what carries it.

An explicit index gives its weighted shortfall against full marks; the model gives the Shapley values of its features against its
baseline, in points, folded into families. Together with the baseline's own shortfall they lead from 100 to the score.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from services.scoring.domain.features import Features
from services.scoring.domain.parameters import FULL_MARKS, rounded_value
from services.scoring.domain.score import MODEL_INDEX, IndexValue, Prediction, Score, model_contributions

REASONS_MAX = 4
# What moves the score by less is no reason.
POINTS_MIN = Decimal("0.05")
STALE_FROM_YEARS = 2


@dataclass(frozen=True, kw_only=True)
class ReasonCode:
    """原因代码 with its points of the total score (scale 2) and its texts."""

    code: str
    points: Decimal
    text_zh: str
    text_en: str


BASELINE = "R220"
STALE = "R901"

# Code of an index with evidence, and of the same index without any.
_CODES = {
    "intensity_to_reference": ("R101", "R101"),
    "sustained_intensity_to_reference": ("R102", "R102"),
    "annual_reduction": ("R201", "R201"),
    "cumulative_reduction": ("R202", "R202"),
    "emissions_trend": ("R301", "R301"),
    "newest_emissions_change": ("R302", "R302"),
    "investment_share": ("R401", "R411"),
    "milestones_met": ("R402", "R412"),
    "target_attainment": ("R403", "R413"),
    "lead_within_route": ("R501", "R501"),
    "lead_within_industry": ("R502", "R502"),
}
# Code of an index whose evidence contradicts itself and therefore is none.
_CONTRADICTED = {"investment_share": "R421"}
# Families of the model's features.
_FAMILIES = {
    "level_vs_reference": "R221",
    "distance_to_best": "R221",
    "change_newest": "R222",
    "change_before": "R222",
    "deviation_from_history": "R222",
    "volatility": "R223",
    "output_change": "R224",
    "output_deviation": "R224",
    "output_size": "R224",
    "scope2_share": "R225",
    "windows_known": "R226",
}
_TEXTS = {
    "R101": (
        "最近一年的排放强度高于同工艺满分水平:降低单位产品能耗或改用低碳能源可提高得分。",
        "Intensity of the newest year is above full marks for the process route: less energy per unit or cleaner energy raises the score.",
    ),
    "R102": (
        "近三年平均排放强度高于同工艺满分水平:需要持续改善而非一年的下降。",
        "Mean intensity of the last three years is above full marks for the process route: improvement has to last.",
    ),
    "R201": (
        "近三年排放强度年均降幅不足5%。",
        "Intensity fell by less than 5 % a year over the last three years.",
    ),
    "R202": (
        "自账户最早期间以来累计降幅不足20%。",
        "Intensity has fallen by less than 20 % since the earliest period on the account.",
    ),
    "R301": (
        "近三年排放总量年均降幅不足5%。",
        "Total emissions fell by less than 5 % a year over the last three years.",
    ),
    "R302": (
        "最近一年排放总量降幅不足5%。",
        "Total emissions of the newest year fell by less than 5 %.",
    ),
    "R401": (
        "减排技术投资占资本支出的比例低于30%:增加目录内技术的投资可提高得分。",
        "Less than 30 % of capital expenditure went to recognised reduction technology: investment in catalogue technologies raises it.",
    ),
    "R402": (
        "转型规划有节点逾期或延迟完成:完成逾期节点可提高得分。",
        "Milestones of the transition plan are overdue or were completed late: completing them raises the score.",
    ),
    "R403": (
        "排放强度降幅落后于转型规划的目标。",
        "The fall of intensity is behind the target of the transition plan.",
    ),
    "R411": (
        "没有减排技术投资记录:申报投资及同期资本支出总额。",
        "No investment in reduction technology is on record: declare it with the capital expenditure of the same period.",
    ),
    "R412": (
        "没有已到期或已完成的转型规划节点:提交转型规划并报告进展。",
        "No milestone of a transition plan has come due or was completed: submit a plan and report its progress.",
    ),
    "R413": (
        "没有可核对的转型规划目标:提交含年度目标的转型规划。",
        "There is no target of a transition plan to check against: submit a plan with yearly targets.",
    ),
    "R421": (
        "申报的技术投资超过同期资本支出总额,数据矛盾,不作为依据:请更正申报。",
        "Investment on record exceeds all capital expenditure of its period, which cannot be, and does not count: correct the declaration.",
    ),
    "R501": (
        "排放强度尚未领先同工艺水平(领先水平为基准的70%)。",
        "Intensity does not lead the process route yet; the lead is at 70 % of its reference.",
    ),
    "R502": (
        "排放强度尚未领先全行业水平(领先水平为行业基准的40%)。",
        "Intensity does not lead the whole industry yet; the lead is at 40 % of its reference.",
    ),
    "R220": (
        "模型基线:一般企业一年内强度下降的概率。",
        "Baseline of the model: how likely any enterprise's intensity is to fall within a year.",
    ),
    "R221": (
        "模型:相对基准与自身最好水平的下降空间。",
        "Model: room to fall, against the reference and the subject's own best year.",
    ),
    "R222": (
        "模型:近年强度的变动方向。",
        "Model: how intensity moved in recent years.",
    ),
    "R223": (
        "模型:强度的波动程度。",
        "Model: how steady intensity is.",
    ),
    "R224": (
        "模型:产量规模及其变化。",
        "Model: size and change of output.",
    ),
    "R225": (
        "模型:外购电力排放的占比。",
        "Model: share of emissions from purchased energy.",
    ),
    "R226": (
        "模型:账户历史的长短。",
        "Model: length of the account's history.",
    ),
    "R901": (
        "数据陈旧:最近一个可用期间结束已满两年,本评价反映的是当时的情况。报送新数据可更新评价。",
        "Old data: the newest usable period ended two or more years ago; the grade speaks of then. New submissions renew it.",
    ),
}


def reason_codes(observed: Features, *, prediction: Prediction, score: Score) -> tuple[ReasonCode, ...]:
    """Return at most four reasons, strongest first; equal ones in the order of their codes.

    Old data moves no point and is always told: it takes the last place.
    """
    told = [reason for reason in all_reasons(observed, prediction=prediction, score=score) if reason.code != BASELINE]
    strong = sorted((reason for reason in told if abs(reason.points) >= POINTS_MIN), key=lambda reason: (-abs(reason.points), reason.code))
    if observed.stale_years < STALE_FROM_YEARS:
        return tuple(strong[:REASONS_MAX])
    return (*strong[: REASONS_MAX - 1], _reason(STALE, Decimal(0)))


def all_reasons(observed: Features, *, prediction: Prediction, score: Score) -> tuple[ReasonCode, ...]:
    """Return every reason, the model's baseline included. Up to rounding, their points add up to the score minus 100."""
    points: dict[str, Decimal] = {}
    for dimension in score.dimensions:
        for one in dimension.indices:
            weight = dimension.weight * one.index.weight
            for code, part in _parts(one, observed=observed, prediction=prediction):
                points[code] = points.get(code, Decimal(0)) + weight * part
    return tuple(_reason(code, points[code]) for code in sorted(points))


def _parts(one: IndexValue, *, observed: Features, prediction: Prediction) -> Iterable[tuple[str, Decimal]]:
    """Split an index's shortfall against full marks into its reasons."""
    if one.index.code != MODEL_INDEX:
        with_evidence, without = _CODES[one.index.code]
        if one.index.code in observed.contradicted:
            without = _CONTRADICTED[one.index.code]
        yield with_evidence if one.figure is not None else without, one.value - FULL_MARKS
        return
    at_baseline, parts = model_contributions(prediction, index=one.index, headroom=observed.headroom)
    yield BASELINE, at_baseline - FULL_MARKS
    for name, part in parts.items():
        yield _FAMILIES[name], part


def _reason(code: str, points: Decimal) -> ReasonCode:
    text_zh, text_en = _TEXTS[code]
    return ReasonCode(code=code, points=rounded_value(points), text_zh=text_zh, text_en=text_en)


# Every index and every feature has a reason; a new one without is found here, when the module is read, and not by a bank.
assert {*_FAMILIES.values(), *_CONTRADICTED.values(), *(code for pair in _CODES.values() for code in pair)} <= set(_TEXTS)
