#ifndef SCRY_APPS_RECON_REPORT_IMAGE_PAGE_IMPL_H
#define SCRY_APPS_RECON_REPORT_IMAGE_PAGE_IMPL_H

#include "apps/recon/report/image_page.h"

/* Spectra and PSF of an image in a report. ENOMEM */
scry_status scryi_image_page_optics(scry_html *to, const scry_image_page *page, scry_error *err);

#endif
