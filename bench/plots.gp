# SPDX-License-Identifier: BSD-2-Clause
# The plots of docs/bench, from its CSV files: run there.
set datafile separator ','
set terminal svg size 900,520 font 'sans,12' background 'white'
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 border -1
set boxwidth 0.9
set grid ytics lc rgb '#dddddd'
set key top right
set format y '%.0s%c'

set output 'costs.svg'
set title 'One operation under -icount: instructions of guest and hypervisor'
set logscale y
set xtics rotate by -40 noenhanced
plot 'costs.csv' every ::1 using 3:xtic(1) title 'Xen 4.17 PVH' lc rgb '#b0b0b0', \
     '' every ::1 using 4 title 'Torii' lc rgb '#c8402f'

set output 'boot.svg'
set title 'Debian 6.1 with 2 CPUs, from boot to power-off'
plot '< grep -E "^(8 KiB|Debian|boot to power-off: (VMRUNs|hypervisor|hypercalls))" results.csv' using 4:xtic(1) \
       title 'Xen 4.17 PVH' lc rgb '#b0b0b0', \
     '' using 5 title 'Torii' lc rgb '#c8402f'

unset logscale y
set output 'profile.svg'
set title "Torii's instructions between exits in that boot, by function"
unset key
plot 'profile.csv' every ::1::15 using 2:xtic(1) lc rgb '#c8402f'
