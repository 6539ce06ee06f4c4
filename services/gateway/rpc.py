"""Translates between gRPC and inquiries.py. Decides nothing."""

from typing import Any

from carbonbureau.bureau.v1 import inquiry_service_pb2 as pb
from carbonbureau.bureau.v1 import inquiry_service_pb2_grpc as pb_grpc

from services.gateway import identity, wire
from services.gateway.domain.inquiry import Method
from services.gateway.inquiries import Inquiries

ERROR_DOMAIN = "carbonbureau"
FULL_NAME = pb.DESCRIPTOR.services_by_name["InquiryService"].full_name


class InquiryService(pb_grpc.InquiryServiceServicer):
    """carbonbureau.bureau.v1.InquiryService."""

    def __init__(self, inquiries: Inquiries) -> None:
        self._inquiries = inquiries

    def GetCreditGrade(self, message: pb.GetCreditGradeRequest, context: Any) -> pb.CreditGrade:
        grade, answer = self._inquiries.credit_grade(peer=identity.peer_of(context), call=wire.call(Method.GET_CREDIT_GRADE, message))
        return wire.credit_grade(grade, answer)

    def GetCreditReport(self, message: pb.GetCreditReportRequest, context: Any) -> pb.CreditReport:
        report, answer = self._inquiries.credit_report(peer=identity.peer_of(context), call=wire.call(Method.GET_CREDIT_REPORT, message))
        return wire.credit_report(report, answer)
