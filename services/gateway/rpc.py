"""Translates between gRPC and inquiries.py, portal.py. Decides nothing."""

from typing import Any

from carbonbureau.bureau.v1 import inquiry_service_pb2 as pb
from carbonbureau.bureau.v1 import inquiry_service_pb2_grpc as pb_grpc
from carbonbureau.bureau.v1 import subject_service_pb2 as subject_pb
from carbonbureau.bureau.v1 import subject_service_pb2_grpc as subject_pb_grpc

from services.gateway import identity, wire
from services.gateway.domain.inquiry import Method
from services.gateway.inquiries import Inquiries
from services.gateway.portal import Portal

ERROR_DOMAIN = "carbonbureau"
INQUIRY_SERVICE = pb.DESCRIPTOR.services_by_name["InquiryService"].full_name
SUBJECT_SERVICE = subject_pb.DESCRIPTOR.services_by_name["SubjectService"].full_name


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


class SubjectService(subject_pb_grpc.SubjectServiceServicer):
    """carbonbureau.bureau.v1.SubjectService."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def ListReportRevisions(self, message: subject_pb.ListReportRevisionsRequest, context: Any) -> subject_pb.ListReportRevisionsResponse:
        authorization = [str(value) for name, value in context.invocation_metadata() if name == "authorization"]
        listing = self._portal.list_report_revisions(authorization=authorization, peer=context.peer() or "", call=wire.list_call(message))
        return wire.report_revisions(listing)
